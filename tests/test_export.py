"""A trained run becomes a folder that loads anywhere and decides as the run did."""

import json
import shutil
import socket

import numpy as np
import pytest
import soundfile
import torch
import yaml
from scipy.special import log_softmax
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.inference.classifiers import EncoderClassifier

from camser import data, results
from camser.brain import Stage
from camser.corpus import Utterance
from camser.export.calibration import fit_temperature
from camser.export.write import export_run
from camser.inference import EmotionClassifier, ExportError
from camser.synthetic import EMOTIONS
from camser.voice import make_voice, speak

SECONDS = (0.3, 1.0, 2.99, 3.0, 3.01, 7.2, 60.0)
SAME = 1e-5  # of log-probabilities in float32 on a CPU, whatever the batch


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
    """What the Brain makes of them in its test, all in one padded batch: [7, classes]"""
    utterances = [
        Utterance(f"x/{s}", "x", path.name, s, "x/1", "male", emotion="sad")
        for s, path in zip(SECONDS, recordings, strict=True)
    ]
    index = data.SegmentIndex(utterances, trained.hparams["embedding_model"].segment_samples)
    labels = trained.hparams["labels"]
    items = data.utterance_dataset(utterances, index, labels, recordings[0].parent)
    brain, kept = trained.brain, trained.brain.kept
    brain.kept, was_training = None, brain.modules.training
    brain.modules.eval()
    with torch.no_grad():
        found = brain.compute_forward(
            PaddedBatch([items[i] for i in range(len(items))]), Stage.TEST
        )
    brain.kept = kept
    brain.modules.train(was_training)
    return found


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


def test_the_runs_own_predictions_come_back(trained, classifier, corpus):
    rows = results.read_predictions(trained.output_folder / "predictions.csv")
    by_id = {u.id: u for u in trained.utterances}
    found = classifier.log_probabilities([corpus / by_id[row["id"]].path for row in rows])
    expected = [[float(row[label]) for label in classifier.labels] for row in rows]
    assert_same(found, torch.tensor(expected))


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
    assert_same(ours.log_probabilities(recordings[:2]), expected[:2])
    assert_same(stock.classify_file(str(recordings[0]))[0], expected[:1])
    assert not list(tmp_path.glob("empty/*")), "SpeechBrain's interface left files behind"


def test_the_folder_says_what_it_is(trained, export):
    config = json.loads((export / "config.json").read_text())
    found = results.read_results(trained.output_folder / "results.json")
    assert config["labels"] == ["angry", "sad", "happy", "neutral"]
    assert config["scores"]["confusion"] == found["confusion"]
    assert config["trained"]["selection"] == "held_out"
    assert config["plugins"]["wav2vec2"]["distribution"] == "camser"
    assert config["verified"]["largest_difference"] < SAME
    assert {p.name for p in export.iterdir()} == {
        "config.json", "model.safetensors", "hyperparams.yaml", "README.md",
    }  # fmt: skip


def test_the_card_is_made_from_the_results(trained, export):
    text = (export / "README.md").read_text()
    _, metadata, body = text.split("---\n", 2)
    found = results.read_results(trained.output_folder / "results.json")
    metrics = yaml.safe_load(metadata)["model-index"][0]["results"][0]["metrics"]
    assert {m["type"]: m["value"] for m in metrics}["UA"] == found["UA"]
    assert f"| unweighted accuracy (mean recall of the classes) | {found['UA']:.1%} |" in body
    assert "chosen on the validation part" in body and "optimistic" not in body
    for label, row in zip(found["labels"], found["confusion"], strict=True):
        assert f"| {label} | {sum(row)} |" in body
        assert f"| **{label}** | {' | '.join(map(str, row))} |" in body


def test_a_run_selected_on_the_test_fold_says_so_in_its_card(run, tmp_path):
    job = run("--selection=test_fold")
    folder = export_run(job.output_folder, tmp_path / "export", verified=False)
    assert "selected on the test fold (optimistic)" in (folder / "README.md").read_text()
    config = json.loads((folder / "config.json").read_text())
    assert config["calibration"]["utterances"] == config["trained"]["parts"]["test"]
    assert "not verified" in (folder / "README.md").read_text()


# What cannot be exported ------------------------------------------------------------------------


@pytest.fixture
def ended(trained, tmp_path):
    """A copy of the ended run, to be damaged."""
    return shutil.copytree(trained.output_folder, tmp_path / "ended")


def missing_results(run):
    (run / "results.json").unlink()
    return "the run has not ended"


def missing_architecture(run):
    (run / "architecture.json").unlink()
    return "Give the command of this run again"


def missing_validation(run):
    (run / "valid_predictions.csv").unlink()
    return "valid_predictions.csv cannot be read.*command of this run again"


def no_checkpoint(run):
    shutil.rmtree(run / "save")
    return "holds no checkpoint with a score"


def damaged_checkpoint(run):
    (path,) = run.glob("save/CKPT*/embedding_model.ckpt")
    path.write_bytes(path.read_bytes()[:5000])
    return "embedding_model.ckpt is damaged"


def other_predictions(run):
    path = run / "predictions.csv"
    path.write_text(path.read_text().replace("-1.", "-1.5"))
    return "does not give its run's log-probabilities"


@pytest.mark.parametrize(
    "damage",
    [
        missing_results, missing_architecture, missing_validation, no_checkpoint,
        damaged_checkpoint, other_predictions,
    ],
)  # fmt: skip
def test_a_damaged_run_is_not_exported(ended, tmp_path, damage):
    message = damage(ended)
    with pytest.raises(ValueError, match=message):
        export_run(ended, tmp_path / "exports/here", verified=damage is other_predictions)
    assert not [p for p in tmp_path.glob("exports/*")], "a part of an export is left"


def test_an_export_without_its_corpus_says_what_to_do(ended, tmp_path):
    with pytest.raises(ExportError, match="with --data_folder, or give --no-verify"):
        export_run(ended, tmp_path / "export", data_folder=tmp_path / "gone")
    assert not (tmp_path / "export").exists()


def test_an_existing_folder_is_replaced_only_when_asked(ended, tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "export/precious.txt").touch()
    with pytest.raises(FileExistsError, match="give another folder, or remove that one"):
        export_run(ended, tmp_path / "export", verified=False)
    assert (tmp_path / "export/precious.txt").exists()
    export_run(ended, tmp_path / "export", verified=False, replace=True)
    assert {p.name for p in tmp_path.iterdir()} == {"ended", "export"}
    assert not (tmp_path / "export/precious.txt").exists()


# Calibration --------------------------------------------------------------------------------------


def test_the_temperature_that_made_the_labels_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 2
    probabilities = np.exp(log_softmax(logits, axis=1))
    truths = [rng.choice(3, p=p) for p in probabilities]
    rows = [
        {"label": "abc"[t], **{c: str(v) for c, v in zip("abc", row * 3, strict=True)}}
        for t, row in zip(truths, logits, strict=True)
    ]
    found = fit_temperature(rows, ["a", "b", "c"])
    assert found["temperature"] == pytest.approx(3.0, rel=0.1)  # three times too sure
    assert found["nll_after"] < found["nll_before"]
    assert found["utterances"] == 4000


def test_calibration_changes_confidence_and_no_decision(classifier):
    scores = torch.randn(50, 4).log_softmax(1)
    classifier.temperature, before = 2.5, classifier.temperature
    found = classifier.calibrate(scores)
    classifier.temperature = before
    assert (found.argmax(1) == scores.argmax(1)).all()
    torch.testing.assert_close(found, (scores.double() / 2.5).softmax(1))
    assert (found.amax(1) < scores.exp().amax(1)).all()
