"""Brain = SpeechBrain's EncoderClassifier = EmotionClassifier = ONNX, whatever the recording."""

import shutil
import socket

import numpy as np
import pytest
import soundfile
import torch
from speechbrain.inference.classifiers import EncoderClassifier

from camser.audio import AudioError
from camser.data.dataset import SegmentDataset, SegmentIndex, identity_collate
from camser.data.manifest import Utterance
from camser.data.packed_audio import PackedAudio
from camser.data.synthetic import EMOTIONS
from camser.data.voices import make_voice, speak
from camser.evaluation import results
from camser.export.export_run import export_run
from camser.inference import EmotionClassifier
from camser.training.checkpoints import AtomicCheckpointer
from tests.helpers.recipe_runs import close_logs, start_run

SECONDS = (0.3, 1.0, 2.99, 3.0, 3.01, 7.2, 60.0)
SAME = 1e-5  # of log-probabilities in float32 on a CPU, whatever the batch
SAME_IN_ONNX = 1e-4  # another library's kernels


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Synthetic speech of very unequal lengths, 16 kHz."""
    folder, rng = tmp_path_factory.mktemp("recordings"), np.random.default_rng(0)
    prosody = EMOTIONS["neu"].prosody, EMOTIONS["ang"].prosody
    for seconds in SECONDS:
        wave = speak(rng, make_voice(rng, 180.0, 1.0), *prosody, round(seconds * 16000))
        soundfile.write(folder / f"{seconds}.wav", wave, 16000)
    return [folder / f"{seconds}.wav" for seconds in SECONDS]


@pytest.fixture(scope="module")
def expected(trained, recordings):
    return brain_scores(trained, recordings)


def brain_scores(trained, recordings):
    """What the Brain makes of them in its test: [7, classes]"""
    utterances = [
        Utterance(f"x/{s}", "x", path.name, s, "x/1", "male", emotion="sad")
        for s, path in zip(SECONDS, recordings, strict=True)
    ]
    model, labels = trained.hparams["embedding_model"], trained.hparams["labels"]
    folder = recordings[0].parent
    packed = PackedAudio(utterances, folder, folder)
    index = SegmentIndex(utterances, model.segment_samples, model.trims_padding)
    dataset = SegmentDataset(utterances, index, labels, packed)
    loader = {"batch_size": 64, "collate_fn": identity_collate}
    best = AtomicCheckpointer.best_key
    trained.brain.evaluate(dataset, max_key=best, progressbar=False, test_loader_kwargs=loader)
    return trained.brain.scored.log_probabilities


def assert_same(found, expected, tolerance=SAME):
    assert (found.argmax(1) == expected.argmax(1)).all()
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def load(path):
    return torch.from_numpy(soundfile.read(path, dtype="float32")[0])


def pad(waves):
    longest = max(map(len, waves))
    lens = torch.tensor([len(wave) / longest for wave in waves])
    return torch.nn.utils.rnn.pad_sequence(waves, batch_first=True), lens


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_our_classifier_decides_as_the_brain_did(export, recordings, expected, batch_size):
    classifier = EmotionClassifier.from_pretrained(export, "cpu", batch_size)
    assert_same(classifier.log_probabilities(recordings), expected)
    arrays = [load(path) for path in recordings]
    assert_same(classifier.log_probabilities(arrays), expected)
    assert_same(classifier.classify_batch(*pad(arrays))[0], expected)


def test_speechbrains_classifier_decides_as_the_brain_did(export, recordings, expected):
    stock = EncoderClassifier.from_hparams(source=str(export), run_opts={"device": "cpu"})
    files = [stock.classify_file(str(path)) for path in recordings]
    assert_same(torch.cat([found[0] for found in files]), expected)
    assert [found[3][0] for found in files] == [
        ["angry", "sad", "happy", "neutral"][i] for i in expected.argmax(1)
    ]
    waves, lens = pad([load(path) for path in recordings])
    found, _, _, labels = stock.classify_batch(waves, lens)
    assert_same(found, expected)
    assert stock.encode_batch(waves, lens).shape == (len(SECONDS), 128)
    assert labels == [found[3][0] for found in files]


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_speechbrains_classifier_resamples_as_ours_does(
    export, classifier, recordings, tmp_path, rate
):
    stock = EncoderClassifier.from_hparams(source=str(export), run_opts={"device": "cpu"})
    wave, paths = soundfile.read(recordings[5])[0], [tmp_path / "a.wav", tmp_path / "b.flac"]
    soundfile.write(paths[0], wave, rate)
    soundfile.write(paths[1], np.stack([wave, wave[::-1] / 2], axis=1), rate)
    for path in paths:
        assert torch.equal(stock.load_audio(str(path)), classifier.load_audio(path))
    found = torch.cat([stock.classify_file(str(path))[0] for path in paths])
    assert_same(found, classifier.log_probabilities(paths))


def test_speechbrains_classifier_refuses_the_same_recordings(export, tmp_path):
    stock = EncoderClassifier.from_hparams(source=str(export), run_opts={"device": "cpu"})
    soundfile.write(tmp_path / "slow.wav", np.zeros(4000), 4000)
    soundfile.write(tmp_path / "nan.wav", np.full(8000, np.nan), 8000, "FLOAT")
    for name, reason in (("slow", "sampled at 4000 Hz"), ("nan", "holds NaN")):
        with pytest.raises(AudioError, match=f"the recording: {reason}"):
            stock.load_audio(str(tmp_path / f"{name}.wav"))


def test_the_runs_own_predictions_come_back(trained, classifier, corpus):
    rows = results.read_predictions(trained.output_folder / "predictions.csv")
    by_id = {u.id: u for u in trained.utterances}
    found = classifier.log_probabilities([corpus / by_id[row["id"]].path for row in rows])
    expected = [[float(row[label]) for label in classifier.labels] for row in rows]
    assert_same(found, torch.tensor(expected))


def test_scores_are_the_same_whatever_the_batch(trained, monkeypatch):
    found = {}
    for size in (1, 7, 64):
        monkeypatch.setitem(trained.hparams, "eval_batch_size", size)
        found[size] = trained._score(trained.fold.valid)
    for size in (1, 7):
        assert_same(torch.tensor(found[size]), torch.tensor(found[64]))


def test_the_validation_loss_is_the_mean_over_utterances(trained):
    rows = results.read_predictions(trained.output_folder / results.VALID_PREDICTIONS)
    best = results.read_results(trained.output_folder / "results.json")["best_epoch"]
    logged = results.read_history(trained.output_folder)[best - 1]["valid_loss"]
    losses = [-float(row[row["label"]]) for row in rows]
    assert float(logged) == pytest.approx(sum(losses) / len(losses), abs=SAME)


def test_it_loads_where_nothing_else_is(export, recordings, expected, tmp_path, monkeypatch):
    """Moved, from another working folder, and without a network."""

    def refuse(*arguments, **options):
        raise AssertionError("something asked for the network")

    moved = shutil.copytree(export, tmp_path / "elsewhere" / "model")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    ours = EmotionClassifier.from_pretrained(moved)
    stock = EncoderClassifier.from_hparams(source=str(moved))
    by_yaml = EmotionClassifier.from_hparams(source=str(moved))
    assert by_yaml.classify(recordings[0]) == ours.classify(recordings[0])
    assert_same(ours.log_probabilities(recordings[:2]), expected[:2])
    assert_same(stock.classify_file(str(recordings[0]))[0], expected[:1])
    assert not list(tmp_path.glob("empty/*")), "SpeechBrain's interface left files behind"


# ONNX ------------------------------------------------------------------------------------------


def assert_onnx_agrees(path, recordings, expected):
    """Each recording alone, and all in one batch."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(waves):
        padded, lens = pad(waves)
        feeds = {"wavs": padded.numpy(), "lens": lens.numpy()}
        (found,) = session.run(["log_probabilities"], feeds)
        return torch.from_numpy(found)

    waves = [load(path) for path in recordings]
    assert_same(torch.cat([run([wave]) for wave in waves]), expected, SAME_IN_ONNX)
    assert_same(run(waves), expected, SAME_IN_ONNX)


def test_onnx_decides_as_the_brain_did(graphs, recordings, expected):
    assert_onnx_agrees(graphs / "model.onnx", recordings, expected)


RELATIVE = "{{wav2vec2: {{config: {{model_type: {0}}}}}}}"
COMPOSITIONS = {
    "mfcc": ["--modalities=[mfcc]", "--fusion=concat"],
    "spectrogram": ["--modalities=[spectrogram]", "--fusion=concat"],
    "wav2vec2": ["--modalities=[wav2vec2]", "--fusion=concat"],
    "whisper": ["--modalities=[whisper]", "--fusion=concat"],
    "weighted_sum": [
        "--modalities=[wav2vec2, whisper]",
        "--fusion=concat",
        "--encoders={wav2vec2: {layer: weighted_sum}, "
        "whisper: {layer: weighted_sum, standardize: true}}",
    ],
    **{
        name: ["--modalities=[wav2vec2]", "--fusion=concat", f"--encoders={RELATIVE.format(name)}"]
        for name in ("hubert", "wavlm", "data2vec-audio")
    },
    "pooling": [
        "--modalities=[mfcc, wav2vec2]",
        "--fusion=concat",
        "--encoders={mfcc: {pooling: last}, wav2vec2: {pooling: statistics, standardize: true}}",
    ],
    "gated": ["--fusion=gated"],
    "low_rank": ["--fusion=low_rank"],
    "attentive": ["--fusion=attentive", "--fusions={attentive: {statistics: true}}"],
    "softmax": ["--fusions={co_attention: {activation: softmax, output_modalities: [wav2vec2]}}"],
    "masked": [
        "--mask_padding=true",
        "--fusions={co_attention: {pooling: {mfcc: mean, spectrogram: statistics}}}",
    ],
    "masked_whisper": [
        "--mask_padding=true",
        "--modalities=[whisper, mfcc]",
        "--fusion=attentive",
        "--fusions={attentive: {statistics: true, pooling: {mfcc: last}}}",
    ],
    "whole": [
        "--mask_padding=true",
        "--segment_seconds=null",
        "--max_segment_seconds=8.0",
        "--modalities=[mfcc, spectrogram, whisper]",
        "--fusions={co_attention: {target: whisper, activation: softmax, "
        "pooling: {mfcc: mean, spectrogram: mean}}}",
    ],
    "whisper_attended": [
        "--modalities=[mfcc, spectrogram, whisper]",
        "--fusions={co_attention: {target: whisper}}",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_every_encoder_and_fusion_decides_as_in_its_test(
    composition, corpus, prepared, tmp_path, iemocap, recordings
):
    where = corpus, prepared, tmp_path / "run"
    job = start_run(iemocap.scan, *where, *COMPOSITIONS[composition])
    job.train()
    job.test()
    close_logs()
    expected = brain_scores(job, recordings)
    folder = export_run(job.output_folder, tmp_path / "export", onnx=True)
    ours = EmotionClassifier.from_pretrained(folder, "cpu")
    assert_same(ours.log_probabilities(recordings), expected)
    stock = EncoderClassifier.from_hparams(source=str(folder), run_opts={"device": "cpu"})
    assert_same(torch.cat([stock.classify_file(str(p))[0] for p in recordings]), expected)
    assert_same(stock.classify_batch(*pad([load(path) for path in recordings]))[0], expected)
    assert_onnx_agrees(folder / "model.onnx", recordings, expected)
