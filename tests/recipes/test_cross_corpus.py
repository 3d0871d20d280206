"""CrossCorpus, the recipe: runs across corpora and on all of them, and what it keeps apart."""

import sys
from pathlib import Path

import pytest

from camser.config.settings import SettingsError, read_arguments
from camser.evaluation.results import read_predictions, read_results
from camser.experiment.run import Run, main
from tests.helpers.recipe_runs import ROOT, close_logs
from tests.helpers.two_corpora import write_corpora

RECIPE = ROOT / "recipes/CrossCorpus"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return write_corpora(tmp_path_factory.mktemp("several"))


@pytest.fixture
def start(folders, tmp_path, scans):
    """Start a small run of the recipe as it ships."""

    def build(*overrides, folder="run", data_folder=folders, recipe="hparams/frozen.yaml"):
        table = ", ".join(f"{corpus}: {path}" for corpus, path in data_folder.items())
        arguments = [
            recipe, "--device=cpu", "--noprogressbar", f"--data_folder={{{table}}}",
            f"--output_folder={tmp_path / folder}", f"--prepared_folder={tmp_path / 'prepared'}",
            "--allow_missing=true", "--modalities=[mfcc]", "--fusion=concat",
            "--encoders={mfcc: {hidden_size: 4}}", "--number_of_epochs=1", "--num_workers=0",
        ]  # fmt: skip
        return Run(read_arguments([*arguments, *overrides], RECIPE), scans)

    yield build
    close_logs()


def test_a_run_across_corpora(start, capsys):
    job = start("--target_corpus=emodb")
    job.train()
    job.test()
    written = read_results(job.output_folder / "results.json")
    assert written["corpus"] == "to_emodb" and written["fold_name"] == "emodb"
    assert written["parts"] == {"train": 16, "valid": 4, "test": 16}
    rows = read_predictions(job.output_folder / "predictions.csv")
    assert {row["corpus"] for row in rows} == {"emodb"} and len(rows) == 16
    assert "test emodb: WA" in capsys.readouterr().out


def test_a_run_goes_on_whatever_the_order_of_its_corpora_but_not_with_others(start, folders):
    job = start("--target_corpus=emodb")
    job.train()
    start("--target_corpus=emodb", data_folder=dict(reversed(folders.items())))
    with pytest.raises(SettingsError, match="target_corpus: 'emodb', now 'ravdess'"):
        start("--target_corpus=ravdess")
    with pytest.raises(SettingsError, match="holds a run on other data"):
        start("--target_corpus=emodb", data_folder={"emodb": folders["emodb"]})


def test_a_joint_run(start):
    job = start("--corpus=joint", "--protocol=speaker_k_fold", "--num_folds=3", "--fold=2")
    job.train()
    job.test()
    rows = read_predictions(job.output_folder / "predictions.csv")
    assert {row["corpus"] for row in rows} == {"emodb", "ravdess"}
    assert {row["id"] for row in rows} == {u.id for u in job.fold.test}


def test_the_recipe_keeps_targets_apart_and_shares_what_is_prepared():
    def read(*overrides):
        arguments = ["hparams/frozen.yaml", "--data_folder={emodb: /data/emodb}", *overrides]
        return read_arguments(arguments, RECIPE).values

    first, second = read("--target_corpus=emodb"), read("--target_corpus=ravdess")
    assert first["output_folder"] != second["output_folder"] and "emodb" in first["output_folder"]
    assert first["prepared_folder"] == second["prepared_folder"]
    assert Path(read("--corpus=joint")["output_folder"]).parts[:2] == ("results", "joint")


@pytest.mark.parametrize("recipe", ["camser", "frozen"])
def test_without_folders_the_recipe_says_what_to_give(scans, monkeypatch, recipe, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", f"hparams/{recipe}.yaml"])
    with pytest.raises(SystemExit) as caught:
        main(scans, RECIPE)
    assert "error: data_folder is None; it must be a table" in str(caught.value)
    assert '--data_folder="{iemocap: …, emodb: …, ravdess: …}"' in str(caught.value)
    assert not list(tmp_path.iterdir())
    combined = "settings are from" in capsys.readouterr().out
    assert combined == (recipe == "frozen")  # of two files, so it says what overrides what
