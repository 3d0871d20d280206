"""Runs in which a segment is a whole utterance: order, cache, resuming, export."""

import math

import numpy as np
import pytest
import torch
from speechbrain.core import Stage
from speechbrain.dataio.sampler import DistributedSamplerWrapper
from speechbrain.inference.classifiers import EncoderClassifier

from camser.audio import SAMPLE_RATE
from camser.evaluation import results
from camser.export.export_run import export_run
from camser.inference import EmotionClassifier
from camser.training.length_sampler import SimilarLengthSampler
from tests.export.test_same_scores import SAME, load
from tests.helpers.same_run import NOISY, same, weights
from tests.training.test_masked_runs import MASKED, scores

LONGEST = 1.2  # seconds; some utterances are longer
WHOLE = [*MASKED, "--segment_seconds=null", f"--max_segment_seconds={LONGEST}"]


# The order -----------------------------------------------------------------------------------


@pytest.fixture
def lengths():
    return np.random.default_rng(0).integers(100, 5000, 333)


def test_each_epoch_has_every_segment_once_in_an_order_of_its_own(lengths):
    sampler, orders = SimilarLengthSampler(lengths, lengths, 8, seed=3), []
    for epoch in (1, 2, 1):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    assert sorted(orders[0]) == list(range(333))
    assert orders[0] == orders[2] != orders[1]
    other = SimilarLengthSampler(lengths, lengths, 8, seed=4)
    other.set_epoch(1)
    assert orders[0] != list(other)


def spread(order, lengths, size):
    """The padding of an order's batches, as a share of their samples."""
    batches = [lengths[order[n : n + size]] for n in range(0, len(order), size)]
    return sum((b.max() - b).sum() for b in batches) / sum(b.max() * len(b) for b in batches)


def test_batches_of_similar_lengths_have_little_padding_in_each_process(lengths):
    sampler = SimilarLengthSampler(lengths, lengths, 16, seed=3)
    assert spread(list(sampler), lengths, 16) < 0.15
    assert spread(np.random.default_rng(1).permutation(333), lengths, 16) > 0.4
    for rank in (0, 1):  # each takes every other segment, and makes batches of 8 of them
        part = DistributedSamplerWrapper(sampler, num_replicas=2, rank=rank, shuffle=False)
        assert spread(list(part), lengths, 8) < 0.15


def test_lengths_are_not_learned_in_order(lengths):
    order = list(SimilarLengthSampler(lengths, lengths, 8, seed=3))
    means = [lengths[order[n : n + 8]].mean() for n in range(0, 328, 8)]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.5


# Runs ----------------------------------------------------------------------------------------


def test_a_segment_is_an_utterance_and_a_batch_as_long_as_its_longest(run):
    job = run(*WHOLE, "--batch_size=8", "--cache_features=false")
    dataset = job._dataset(job.fold.train)
    seconds = {u.id: u.seconds for u in job.fold.train}
    counts = {name: sum(n.startswith(f"{name}#") for n in dataset.names) for name in seconds}
    assert counts == {name: math.ceil(s / LONGEST - 1e-9) for name, s in seconds.items()}
    assert {*counts.values()} >= {1, 2}
    for stage in (Stage.TRAIN, Stage.VALID):
        loader = job.brain.make_dataloader(dataset, stage, **job._loader("batch_size"))
        widths = [batch.segments.shape[1] - 1 for batch in loader]
        assert widths == [int(batch.num_samples.max()) for batch in loader]
        assert len({*widths}) > 3 and max(widths) == LONGEST * SAMPLE_RATE
    assert widths == sorted(widths)  # of an evaluation
    assert results.read_results(job.output_folder / "results.json")["WA"] >= 0


@pytest.mark.slow
def test_without_masks_all_segments_have_the_length_of_the_longest(run):
    job = run("--segment_seconds=null", "--max_segment_seconds=1.5", "--fusion=concat")
    (batch, *_) = job._batches(job.fold.test)
    assert batch.num_samples.max() < 24000
    model = job.hparams["embedding_model"]
    assert not model.trims_padding and model.segment_samples == 24000
    assert batch.cached["mfcc"].shape[1] == 150


@pytest.mark.slow
def test_the_cache_has_real_frames_alone_and_changes_nothing(run):
    kept, recomputed = (
        run(*WHOLE, f"--cache_features={value}", folder=value) for value in ("true", "false")
    )
    samples = [round(u.seconds * SAMPLE_RATE) for u in kept.utterances]
    pieces = [min(19200, n - k) for n in samples for k in range(0, n, 19200)]
    stored = {name: array.steps.host for name, array in kept.data.cached.items()}
    shapes = {name: array.shape for name, array in stored.items()}
    assert shapes["mfcc"] == (sum(max(640, n) // 160 for n in pieces), 40)
    assert shapes["spectrogram"] == (6 * len(pieces), 1536)
    other = scores(recomputed)
    for name, row in scores(kept).items():
        assert row == pytest.approx(other[name], abs=1e-3)


def test_scores_do_not_depend_on_the_batch(run, start):
    job = run(*WHOLE)
    expected = scores(job)
    for size in (3, 50):
        again = start(*WHOLE, f"--eval_batch_size={size}")
        found = again._score(again.fold.test)
        assert np.allclose(found, list(expected.values()), atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_cut_off_in_mid_epoch_it_goes_on_to_the_same_weights(run, start, workers):
    settings = [*NOISY, *WHOLE, f"--num_workers={workers}"]
    undisturbed = weights(run(*settings, folder="undisturbed"))
    job = start(*settings)
    fit_batch, steps = job.brain.fit_batch, []

    def fit(batch):
        steps.append(batch)
        if len(steps) == 8:
            raise KeyboardInterrupt
        return fit_batch(batch)

    job.brain.fit_batch = fit
    with pytest.raises(KeyboardInterrupt):
        job.train()
    assert same(weights(run(*settings)), undisturbed)


def test_the_weights_of_an_utterance_are_those_of_its_real_frames(run):
    job = run(*WHOLE)
    arrays = results.read_arrays(job.output_folder / "attention.npz")
    encoder = job.hparams["embedding_model"].encoders["wav2vec2"]
    for number in range(len(arrays["ids"])):
        samples, size = arrays[f"{number}.samples"], arrays[f"{number}.segment_samples"]
        assert size == min(samples, 19200)
        found = arrays[f"{number}.weights.wav2vec2"]
        assert found.shape == (math.ceil(samples / size), encoder.num_frames(int(size)))
        assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_an_exported_model_decides_as_its_run_did(run, tmp_path, corpus):
    job = run(*WHOLE)
    folder = export_run(job.output_folder, tmp_path / "export")  # verified in another process
    expected, by_id = scores(job), {u.id: u for u in job.utterances}
    paths, wanted = (
        [corpus / by_id[name].path for name in expected],
        torch.tensor(list(expected.values())),
    )
    for batch_size in (1, 7):
        classifier = EmotionClassifier.from_pretrained(folder, "cpu", batch_size)
        found = classifier.log_probabilities(paths)
        torch.testing.assert_close(found, wanted, atol=2 * SAME, rtol=0)
    stock = EncoderClassifier.from_hparams(source=str(folder), run_opts={"device": "cpu"})
    found = torch.cat([stock.classify_file(str(path))[0] for path in paths])
    torch.testing.assert_close(found, wanted, atol=2 * SAME, rtol=0)
    waves = [load(path) for path in paths]
    lens = torch.tensor([len(wave) / max(map(len, waves)) for wave in waves])
    padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    torch.testing.assert_close(stock.classify_batch(padded, lens)[0], wanted, atol=2e-5, rtol=0)
    encoder = classifier.mods["embedding_model"].encoders["wav2vec2"]
    for wave in (waves[0][:9000], torch.cat(waves[:2])):
        found = classifier.attention(wave)["wav2vec2"]
        size = min(len(wave), 19200)
        assert found.shape == (math.ceil(len(wave) / size), encoder.num_frames(size))
    line = classifier.timeline(torch.cat(waves))
    assert line.window == 3.0 and np.isfinite(line.probabilities).all()
    assert classifier.segment_samples == 19200
