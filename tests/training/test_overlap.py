"""Runs whose segments overlap, and whose utterances have the largest scores of their segments."""

import numpy as np
import pytest
import torch
from speechbrain.inference.classifiers import EncoderClassifier

from camser.audio import SAMPLE_RATE
from camser.evaluation import results
from camser.export.export_run import export_run
from camser.inference import EmotionClassifier
from camser.inference.onnx_session import unavailable_reason
from camser.model import count_parameters
from camser.segments import num_segments, split_into_segments
from tests.export.test_same_scores import SAME, SAME_IN_ONNX
from tests.training.test_masked_runs import scores

OVERLAP = ["--modalities=[mfcc]", "--fusion=attentive", "--segment_seconds=0.5",
           "--segment_hop_seconds={train: 0.125, test: 0.2}"]  # fmt: skip
LARGEST = [*OVERLAP, "--utterance_rule=max"]


def test_training_and_test_have_hops_and_cached_features_of_their_own(run):
    cached, computed = (
        run(*OVERLAP, f"--cache_features={value}", folder=value) for value in ("true", "false")
    )
    for split, is_training, hop in (
        (cached.fold.train, True, 2000),
        (cached.fold.test, False, 3200),
    ):
        dataset = cached.data.dataset(split, cached.settings.values["labels"], is_training)
        counts = [num_segments(round(u.seconds * SAMPLE_RATE), 8000, hop) for u in split]
        assert dataset.names.tolist() == [
            f"{u.id}#{n}" for u, count in zip(split, counts, strict=True) for n in range(count)
        ]
        assert max(counts) > 2
    arrays = cached.data.cached["mfcc"], cached.data.train_cached["mfcc"]
    assert arrays[0].path != arrays[1].path and not computed.data.cached
    found, expected = (torch.tensor(list(scores(job).values())) for job in (cached, computed))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    assert not (cached.output_folder / results.ATTENTION).exists()


def test_an_utterance_has_the_largest_probability_of_each_class(run, start):
    job = run(*LARGEST)
    model = job.hparams["embedding_model"].eval()
    parameters = {
        n: count for n, (count, _) in count_parameters(model, job.brain.modules.classifier).items()
    }
    assert (parameters["hidden"], parameters["head"]) == (
        16 * 128 + 128 + 128 * 128 + 128 + 4 * 128 + 4,
        0,
    )
    for utterance, found in zip(job.fold.test, scores(job).values(), strict=True):
        wave = job.data.audio.waveform(utterance).unsqueeze(0)
        segments, _ = split_into_segments(wave, torch.ones(1), 8000, hop_samples=3200)
        largest = model(segments).exp().amax(dim=0)
        expected = (largest / largest.sum()).log()
        torch.testing.assert_close(torch.tensor(found), expected, atol=2e-5, rtol=0)
    with pytest.raises(
        ValueError, match="a back end classifies means over segments; give utterance_rule: mean"
    ):
        start("--utterance_rule=max", "--back_end=logistic", "--modalities=[mfcc_statistics]",
              folder="other")  # fmt: skip


@pytest.mark.parametrize("settings", [OVERLAP, pytest.param(LARGEST, marks=pytest.mark.slow)])
def test_an_exported_model_decides_as_its_run_did(run, corpus, tmp_path, settings):
    job = run(*settings)
    has_onnx = unavailable_reason() is None and settings is LARGEST
    folder = export_run(job.output_folder, tmp_path / "export", onnx=has_onnx, verified=False)
    expected, by_id = scores(job), {u.id: u for u in job.utterances}
    paths = [corpus / by_id[name].path for name in expected]
    wanted = torch.tensor(list(expected.values()))
    for batch_size in (1, 7):
        classifier = EmotionClassifier.from_pretrained(folder, "cpu", batch_size, engine="torch")
        found = classifier.log_probabilities(paths)
        torch.testing.assert_close(found, wanted, atol=2 * SAME, rtol=0)
    for path, prediction in zip(paths, classifier.classify(paths), strict=True):
        assert prediction.seconds == pytest.approx(len(classifier.load_audio(path)) / SAMPLE_RATE)
    line = classifier.timeline(paths[0], window=0.75, hop=0.25)
    assert (
        np.isfinite(line.probabilities).all()
        and line.seconds == classifier.classify(paths[0]).seconds
    )
    stock = EncoderClassifier.from_hparams(source=str(folder), run_opts={"device": "cpu"})
    found = torch.cat([stock.classify_file(str(path))[0] for path in paths])
    torch.testing.assert_close(found, wanted, atol=2 * SAME, rtol=0)
    if has_onnx:
        classifier = EmotionClassifier.from_pretrained(folder, "cpu", engine="onnx")
        found = classifier.log_probabilities(paths)
        torch.testing.assert_close(found, wanted, atol=SAME_IN_ONNX, rtol=0)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--segment_hop_seconds={train: 4.0, test: 1.0}"], "each at most a segment"),
        (["--segment_hop_seconds={train: 1.0, test: 0}"], "each at most a segment"),
        (["--segment_hop_seconds={train: 1.0}"], "segment_hop_seconds is .*; it lacks test"),
        (
            ["--segment_hop_seconds={train: 1.0, test: 1.0}", "--segment_seconds=null"],
            "where segments have one length",
        ),
        (["--utterance_rule=median"], "utterance_rule is 'median'; allowed: mean, max"),
    ],
)
def test_what_is_not_allowed_is_told(start, options, message):
    with pytest.raises(ValueError, match=message):
        start("--modalities=[mfcc]", "--fusion=concat", *options)
