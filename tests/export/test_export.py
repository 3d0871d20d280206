"""A trained run becomes a folder that loads anywhere and decides as the run did."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.special import log_softmax

from camser.evaluation import results
from camser.evaluation.results import read_scores
from camser.export.calibration import best_temperature, fit_temperature
from camser.export.export_run import export_run
from camser.export.model_card import model_card
from camser.export.trained_run import read_run
from camser.inference import ExportError

SAME = 1e-5  # of log-probabilities in float32 on a CPU, whatever the batch


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
    metadata = yaml.safe_load(metadata)
    metrics = metadata["model-index"][0]["results"][0]["metrics"]
    assert (metadata["license"], metadata["datasets"]) == ("unknown", [found["corpus"]])
    assert "base_model" not in metadata  # the tiny encoder began with random weights
    assert {m["type"]: m["value"] for m in metrics}["UA"] == found["UA"]
    assert f"| unweighted accuracy (mean recall of the classes) | {found['UA']:.1%} |" in body
    assert "chosen on the validation split" in body and "optimistic" not in body
    for label, row in zip(found["labels"], found["confusion"], strict=True):
        assert f"| {label} | {sum(row)} |" in body
        assert f"| **{label}** | {' | '.join(map(str, row))} |" in body


def test_what_is_asked_for_and_what_training_began_with_are_in_the_metadata(
    trained, export, tmp_path, monkeypatch
):
    config = json.loads((export / "config.json").read_text())
    run = read_run(trained.output_folder)
    run.results["settings"]["encoders"]["wav2vec2"]["source"] = "facebook/wav2vec2-base-960h"
    text = model_card({**config, "license": "cc-by-4.0", "language": ["en"]}, run)
    metadata = yaml.safe_load(text.split("---\n")[1])
    assert (metadata["license"], metadata["language"]) == ("cc-by-4.0", ["en"])
    assert metadata["base_model"] == ["facebook/wav2vec2-base-960h"]
    assert metadata["metrics"] == ["WA", "UA", "macro_F1"]
    monkeypatch.chdir(tmp_path)
    Path("facebook/wav2vec2-base-960h").mkdir(parents=True)
    assert "base_model" not in model_card(config, run), "a folder is no model of the hub"


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
    return "architecture.json is missing"


def missing_validation(run):
    (run / "valid_predictions.csv").unlink()
    return "valid_predictions.csv is missing.*the run's command again"


def no_checkpoint(run):
    shutil.rmtree(run / "save")
    return "has no checkpoint of the best epoch"


def damaged_checkpoint(run):
    (path,) = run.glob("save/CKPT*/embedding_model.ckpt")
    path.write_bytes(path.read_bytes()[:5000])
    return "embedding_model.ckpt has 5000 bytes"


def other_predictions(run):
    path = run / "predictions.csv"
    path.write_text(path.read_text().replace("-1.", "-1.5"))
    results.write_results(run, json.loads((run / "results.json").read_text()))
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
    with pytest.raises(ExportError, match="with --data-folder, or give --no-verify"):
        export_run(ended, tmp_path / "export", data_folder=tmp_path / "gone")
    assert not (tmp_path / "export").exists()


def test_an_existing_folder_is_replaced_only_when_asked(ended, tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "export/precious.txt").touch()
    with pytest.raises(FileExistsError, match="give another folder, or remove this one"):
        export_run(ended, tmp_path / "export", verified=False)
    assert (tmp_path / "export/precious.txt").exists()
    export_run(ended, tmp_path / "export", verified=False, replace=True)
    assert {p.name for p in tmp_path.iterdir()} == {"ended", "export"}
    assert not (tmp_path / "export/precious.txt").exists()


# Calibration --------------------------------------------------------------------------------------


def overconfident(number, seed=0):
    """Rows of three classes that are three times too sure."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(number, 3)) * 2
    truths = [rng.choice(3, p=p) for p in np.exp(log_softmax(logits, axis=1))]
    return [
        {"label": "abc"[t], **{c: str(v) for c, v in zip("abc", row * 3, strict=True)}}
        for t, row in zip(truths, logits, strict=True)
    ]


def test_the_temperature_that_made_the_labels_is_found():
    found = fit_temperature(overconfident(4000), "abc")
    assert found["temperature"] == pytest.approx(3.0, rel=0.1)
    assert found["nll_after"] < found["nll_before"]
    assert found["utterances"] == 4000 and found["calibrated"] is True


def test_few_rows_move_the_temperature_less():
    found = [fit_temperature(overconfident(n), "abc")["temperature"] for n in (100, 400, 4000)]
    scores, truths = read_scores(overconfident(100), "abc")
    assert 1 < found[0] < found[1] < found[2]
    assert found[0] < best_temperature(scores, truths, float("inf"))


@pytest.mark.parametrize(
    ("right", "wrong", "calibrated"),
    [(89, 10, False), (90, 10, True), (91, 9, False), (300, 0, False), (0, 100, True)],
)
def test_with_few_rows_or_errors_there_is_no_temperature(right, wrong, calibrated):
    row = {"a": "-0.1", "b": "-2.4"}
    rows = [{"label": "a", **row}] * right + [{"label": "b", **row}] * wrong
    found = fit_temperature(rows, ["a", "b"])
    assert found["calibrated"] is calibrated and (found["temperature"] != 1.0) is calibrated
    assert (found["utterances"], found["errors"]) == (right + wrong, wrong)
    assert calibrated or found["nll_before"] == found["nll_after"]


def test_without_errors_the_prior_keeps_the_temperature():
    scores, truths = np.log([[0.9, 0.1]] * 500), np.zeros(500, dtype=int)
    assert best_temperature(scores, truths) == 1.0
    assert best_temperature(scores, truths, float("inf")) < 0.1


def test_the_card_says_whether_the_export_is_calibrated(trained, export):
    config = json.loads((export / "config.json").read_text())
    assert config["calibration"]["calibrated"] is False and config["temperature"] == 1.0
    text = (export / "README.md").read_text()
    assert "Probabilities are **not calibrated**" in text and "at least 100 utterances" in text
    config["calibration"] = fit_temperature(overconfident(400), "abc")
    config["temperature"] = config["calibration"]["temperature"]
    text = model_card(config, read_run(trained.output_folder))
    assert f"calibrated by a temperature of {config['temperature']:.3f}, fitted on the 400" in text
    assert "**not calibrated**" not in text


def test_calibration_changes_confidence_and_no_decision(classifier):
    scores = torch.randn(50, 4).log_softmax(1)
    classifier.temperature, before = 2.5, classifier.temperature
    found = classifier.calibrate(scores)
    classifier.temperature = before
    assert (found.argmax(1) == scores.argmax(1)).all()
    torch.testing.assert_close(found, (scores.double() / 2.5).softmax(1))
    assert (found.amax(1) < scores.exp().amax(1)).all()
