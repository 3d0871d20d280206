"""Runs without a validation split, without a test split, and with unknown speakers."""

import json
from dataclasses import replace

import pytest

from camser.data.prepare import CorpusScan
from camser.evaluation import results
from camser.evaluation.report.collect import ReportError, collect
from camser.evaluation.report.write import write_report
from camser.export.export_run import export_run
from camser.inference.export_config import read_config
from tests.helpers.recipe_runs import start_run

NOTE = "speakers unknown: may be optimistic"
CHEAP = ("--modalities=[mfcc]", "--fusion=concat", "--patience=1")


def history(job):
    return results.read_history(job.output_folder)


def read(job):
    return results.read_results(job.output_folder / results.RESULTS)


def test_without_validation_the_last_epoch_is_kept_and_nothing_stops_early(run, tmp_path):
    job = run(*CHEAP, "--selection=none", "--number_of_epochs=4")
    assert [row["epoch"] for row in history(job)] == ["1", "2", "3", "4"]
    assert not any("valid" in name for name in history(job)[0])
    found = read(job)
    assert (found["best_epoch"], found["epochs"], found["parts"]["valid"]) == (4, 4, 0)
    assert not (job.output_folder / results.VALID_PREDICTIONS).exists()
    config = read_config(export_run(job.output_folder, tmp_path / "export"))
    assert config["calibration"] == {
        "calibrated": False, "utterances": 0, "errors": 0, "nll_before": None, "nll_after": None,
    }  # fmt: skip
    card = (tmp_path / "export/README.md").read_text()
    assert "the number of epochs was fixed beforehand" in card and "validated on | nothing" in card
    assert "there was no validation split to calibrate them on" in card
    (section,) = collect([job.output_folder])
    assert "number of epochs fixed beforehand" in section.title
    assert write_report([section], tmp_path / "report").is_file()


def test_without_a_test_split_results_have_no_scores_and_the_card_says_so(run, tmp_path, capsys):
    job = run(*CHEAP, "--protocol=all", "--selection=none")
    assert "all: trained on 61 utterances, none is tested" in capsys.readouterr().out
    found = read(job)
    assert "WA" not in found and "confusion" not in found and found["parts"]["test"] == 0
    assert not (job.output_folder / results.PREDICTIONS).exists()
    config = read_config(export_run(job.output_folder, tmp_path / "export"))
    assert config["scores"] == {} and config["verified"]["utterances"] == 12
    card = (tmp_path / "export/README.md").read_text()
    assert "It was not tested" in card and "accuracy" not in card and "tested on | nothing" in card
    assert "utterances: log-probabilities within" in card
    with pytest.raises(ReportError, match=r"no run below .* has a test split"):
        collect([job.output_folder])


@pytest.mark.slow
def test_a_run_on_all_data_may_hold_some_out_for_its_epochs(run, tmp_path):
    job = run(*CHEAP, "--protocol=all", "--valid_fraction=0.2")
    found = read(job)
    assert found["parts"]["valid"] > 0 and "WA" not in found
    assert (job.output_folder / results.VALID_PREDICTIONS).exists()
    config = read_config(export_run(job.output_folder, tmp_path / "export"))
    assert config["calibration"]["utterances"] == found["parts"]["valid"]


def test_a_run_without_validation_goes_on_to_the_same_weights(run, start):
    whole = run(*CHEAP, "--selection=none", "--number_of_epochs=3", folder="whole")
    part = start(*CHEAP, "--selection=none", "--number_of_epochs=2", folder="part")
    part.train()
    part = run(*CHEAP, "--selection=none", "--number_of_epochs=3", folder="part")
    assert read(part)["best_epoch"] == 3 and len(history(part)) == 3
    assert read(part)["WA"] == read(whole)["WA"]


def test_all_that_shows_a_score_says_that_speakers_are_unknown(corpus, tmp_path, iemocap, capsys):
    def scan(folder):
        rows = iemocap.scan(folder).utterances
        return CorpusScan([replace(u, speaker="", gender="", session="") for u in rows], [])

    where = scan, corpus, tmp_path / "prepared", tmp_path / "run"
    job = start_run(*where, *CHEAP, "--protocol=speaker_k_fold", "--num_folds=5")
    job.train()
    job.test()
    folder = job.output_folder
    assert NOTE in capsys.readouterr().out and NOTE in (folder / "log.txt").read_text()
    found = read(job)
    assert found["note"] == NOTE and found["speakers_known"] is False
    assert {row["note"] for row in history(job)} == {NOTE}
    assert {row["speaker"] for row in results.read_predictions(folder / results.PREDICTIONS)} == {
        ""
    }
    export_run(folder, tmp_path / "export")
    card = (tmp_path / "export/README.md").read_text()
    assert NOTE in card and "perhaps of the same speakers" in card
    sections = collect([folder])
    write_report(sections, tmp_path / "report")
    assert NOTE in sections[0].title
    for name in ("report.md", "report.html", "report.json"):
        assert NOTE in (tmp_path / "report" / name).read_text(), name
    told = json.loads((tmp_path / "report/report.json").read_text())["sections"][0]
    assert "because speakers are unknown" in told["table"]["caption"]
    assert next(iter(told["variants"].values()))["intervals"]["WA"] is None
