"""What a run leaves: files that agree with each other, and none of an earlier run or a mistake."""

import json
import math
import subprocess
import sys

import pytest

from camser.evaluation import metrics, results
from tests.helpers.recipe_runs import ROOT, TINY


def test_the_files_of_a_run_agree_with_each_other(run, corpus):
    job = run("--fold=3", "--number_of_epochs=2")
    folder = job.output_folder
    written = results.read_results(folder / "results.json")
    rows = results.read_predictions(folder / "predictions.csv")
    labels = written["labels"]
    assert {row["speaker"] for row in rows} == {"iemocap/Ses02M"} == {written["fold_name"]}
    scores = metrics.scores(
        [labels.index(row["label"]) for row in rows],
        [labels.index(row["prediction"]) for row in rows],
        labels,
    )
    assert scores == {name: written[name] for name in scores}
    for row in rows:
        probabilities = {name: math.exp(float(row[name])) for name in labels}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert max(probabilities, key=probabilities.get) == row["prediction"]
    history = results.read_history(folder)
    assert [row["epoch"] for row in history] == ["1", "2"]
    best = max(history, key=lambda row: float(row["valid_WA"]) + float(row["valid_UA"]))
    assert written["best_epoch"] == int(best["epoch"])
    assert written["plugins"]["mfcc"]["distribution"] == "camser"
    assert written["num_protocol_folds"] == 10
    total = written["parameters"].pop("total")
    components = written["parameters"].values()
    assert total == {name: sum(counts[name] for counts in components) for name in total}
    assert 0 < total["trained"] < total["total"]
    assert written["segment_flops"] > 1e6 and 0 < written["test_seconds"] < 600
    log = (folder / "log.txt").read_text()
    assert "Beginning experiment" in log
    assert written["left_out"] and not {*written["left_out"]} & {*labels}
    assert "left out: " in log and all(f"{e} {n}" in log for e, n in written["left_out"].items())
    assert "valid WA" in (folder / "train_log.txt").read_text()
    assert str(corpus) not in (folder / "results.json").read_text()


def test_what_is_no_longer_asked_for_does_not_stay_beside_new_results(run):
    settings = ["--modalities=[mfcc]", "--fusion=attentive"]
    first = run(*settings)
    optional = {"embeddings.npz", "attention.npz"}
    assert optional <= {path.name for path in first.output_folder.iterdir()}
    again = run(*settings, "--save_embeddings=false", "--num_attention_examples=0")
    assert not optional & {path.name for path in again.output_folder.iterdir()}
    told = json.loads((again.output_folder / "results.json").read_text())
    assert "predictions.csv" in told["files"] and not optional & {*told["files"]}


def test_debug_runs_a_few_batches_and_leaves_no_results(run):
    job = run("--debug")
    assert not (job.output_folder / "results.json").exists()
    assert not (job.output_folder / "history.csv").exists()


def test_tensorboard_is_an_option(run, monkeypatch):
    # Older ones import absl, whose handler would close another one later.
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    pytest.importorskip("tensorboard")
    job = run("--tensorboard=true")
    assert list((job.output_folder / "tensorboard").iterdir())


def test_a_selection_on_the_test_fold_says_so(run, capsys):
    job = run("--selection=test_fold")
    warning = "selected on the test fold (optimistic)"
    assert warning in capsys.readouterr().out
    assert warning in (job.output_folder / "log.txt").read_text()
    assert results.read_results(job.output_folder / "results.json")["selection"] == "test_fold"


def main(*arguments):
    """The recipe as a user starts it, in a process of its own."""
    command = [sys.executable, "recipes/IEMOCAP/train.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_mistake_is_one_clear_message_and_leaves_nothing_behind(tmp_path):
    ended = main(
        TINY, f"--data_folder={tmp_path / 'absent'}", f"--output_folder={tmp_path / 'run'}"
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "absent is missing" in ended.stderr and "Traceback" not in ended.stderr
    assert not (tmp_path / "run").exists()
