"""Runs in which padding is masked: cached or not, resumed or not, exported."""

import pytest
import torch
from speechbrain.inference.classifiers import EncoderClassifier

from camser.evaluation import results
from camser.export.export_run import export_run
from camser.inference import EmotionClassifier
from tests.export.test_same_scores import SAME, load
from tests.helpers.same_run import NOISY, same, weights

MEANS = "--fusions={co_attention: {activation: softmax, pooling: {mfcc: mean, spectrogram: mean}}}"
MASKED = ["--mask_padding=true", MEANS]


def scores(job):
    rows = results.read_predictions(job.output_folder / "predictions.csv")
    labels = job.settings.values["labels"]
    return {row["id"]: [float(row[name]) for name in labels] for row in rows}


def test_cached_features_are_masked_as_those_that_are_computed(run):
    kept, recomputed = (
        run(*MASKED, f"--cache_features={value}", folder=value) for value in ("true", "false")
    )
    assert kept.data.cached.keys() == {"mfcc", "spectrogram"} and not recomputed.data.cached
    other = scores(recomputed)
    for name, row in scores(kept).items():
        assert row == pytest.approx(other[name], abs=1e-3)


def test_masks_change_the_scores_and_the_cache(run, prepared):
    plain, masked = run(MEANS, folder="plain"), run(*MASKED, folder="masked")
    assert scores(plain) != scores(masked)
    paths = [{array.path for array in job.data.cached.values()} for job in (plain, masked)]
    assert not paths[0] & paths[1]


@pytest.mark.slow
def test_a_masked_run_goes_on_to_the_same_weights(run, start):
    undisturbed = weights(run(*NOISY, *MASKED, folder="undisturbed"))
    job = start(*NOISY, *MASKED)
    fit_batch, steps = job.brain.fit_batch, []

    def fit(batch):
        steps.append(batch)
        if len(steps) == 7:
            raise KeyboardInterrupt
        return fit_batch(batch)

    job.brain.fit_batch = fit
    with pytest.raises(KeyboardInterrupt):
        job.train()
    assert same(weights(run(*NOISY, *MASKED)), undisturbed)


@pytest.mark.slow
def test_an_exported_model_masks_as_its_run_did(run, tmp_path, corpus):
    job = run(*MASKED)
    folder = export_run(job.output_folder, tmp_path / "export")  # verified in another process
    expected, by_id = scores(job), {u.id: u for u in job.utterances}
    paths = [corpus / by_id[name].path for name in expected]
    classifier = EmotionClassifier.from_pretrained(folder, "cpu", batch_size=5)
    assert classifier.mods["embedding_model"].mask_padding
    wanted = torch.tensor(list(expected.values()))
    torch.testing.assert_close(classifier.log_probabilities(paths), wanted, atol=SAME, rtol=0)
    stock = EncoderClassifier.from_hparams(source=str(folder), run_opts={"device": "cpu"})
    found = torch.cat([stock.classify_file(str(path))[0] for path in paths])
    torch.testing.assert_close(found, wanted, atol=SAME, rtol=0)
    waves = [load(path) for path in paths[:4]]
    lens = torch.tensor([len(wave) / max(map(len, waves)) for wave in waves])
    padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    found = stock.classify_batch(padded, lens)[0]
    torch.testing.assert_close(found, wanted[:4], atol=SAME, rtol=0)
    for path, wave in zip(paths[:4], waves, strict=True):
        (attention,) = classifier.attention(path)["wav2vec2"]
        real = classifier.mods["embedding_model"].encoders["wav2vec2"].num_frames(len(wave))
        assert attention[:real].all() and not attention[real:].any()
        line = classifier.timeline(path)
        close = classifier.calibrate(classifier.log_probabilities([path]))
        assert torch.allclose(torch.tensor(line.probabilities), close, atol=1e-5)
