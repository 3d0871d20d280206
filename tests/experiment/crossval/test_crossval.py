"""Cross-validation: what is finished is skipped, what fails is told, and each ends in a line."""

import errno
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from camser.evaluation.report import published
from camser.evaluation.report.collect import collect
from camser.evaluation.report.write import write_report
from camser.experiment.crossval import main as crossval
from camser.experiment.crossval.launch import LOG
from camser.runtime.digests import add_digest
from tests.helpers.recipe_runs import ROOT, TINY

RECIPE = ROOT / "recipes/IEMOCAP"
ABLATION = str(ROOT / "tests/hparams/ablation.yaml")


@pytest.fixture
def sweep(corpus, prepared, iemocap, tmp_path, monkeypatch):
    """A whole sweep in an empty folder, its runs in this process; returns the jobs that ran."""
    from camser.experiment.run import main

    monkeypatch.chdir(tmp_path)
    started = []

    def launch(jobs, share, num_gpus):
        for job in jobs:
            started.append(job.name)
            monkeypatch.setattr(sys, "argv", list(job.command))
            try:
                main(iemocap.scan, RECIPE)
                yield job, 0
            except SystemExit as error:
                job.folder.mkdir(parents=True, exist_ok=True)
                (job.folder / LOG).write_text(f"{error}\n")
                yield job, 1

    def go(*arguments):
        paths = [f"--data_folder={corpus}", f"--prepared_folder={prepared}"]
        device = [] if "--dry_run" in arguments else ["--device=cpu"]  # by default it is found
        common = [*device, "--noprogressbar", *paths]
        monkeypatch.setitem(crossval.LAUNCH, "local", launch)
        monkeypatch.setattr(sys, "argv", ["crossval.py", *arguments, *common])
        started.clear()
        crossval.main(iemocap.scan, RECIPE)
        return list(started)

    return go


def test_what_is_finished_is_skipped_and_what_is_damaged_is_named_and_repeated(sweep, capsys):
    asked = (TINY, "--folds", "0", "1", "--modalities=[spectrogram]", "--fusion=concat")
    assert len(sweep(*asked)) == 2
    first, second = sorted(Path("results").rglob("results.json"))
    whole, before = first.read_text(), second.stat().st_mtime_ns
    assert sweep(*asked) == []
    first.write_text(whole[:100])
    capsys.readouterr()
    assert sweep(*asked) == ["tiny, fold 0, seed 1234"]
    told = capsys.readouterr().out
    assert f"{first} is damaged" in told and "2 runs, 1 of them already finished" in told
    again, earlier = json.loads(first.read_text()), json.loads(whole)
    assert {k: again[k] for k in ("WA", "UA", "confusion")} == {
        k: earlier[k] for k in ("WA", "UA", "confusion")
    }
    assert second.stat().st_mtime_ns == before
    with pytest.raises(SystemExit, match="other settings:\n  batch_size: 16, now 8"):
        sweep(*asked, "--batch_size=8")
    changed = json.loads(whole) | {"manifest": "another"}
    first.write_text(json.dumps(add_digest(changed)))
    with pytest.raises(SystemExit, match="belongs to another run: it differs in manifest;"):
        sweep(*asked)


def test_a_failed_run_stops_no_other_and_is_told_at_the_end(sweep, capsys, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"include: {TINY}\nmodalities: [spectrogram]\nfusion: concat\nvariants:\n"
        "    broken: {encoders: {spectrogram: {weights: nowhere.safetensors}}}\n"
        "    whole: {fusion: concat}\n"
    )
    with pytest.raises(SystemExit) as error:
        sweep(str(recipe), "--folds", "0")
    assert str(error.value).startswith("1 of 2 runs failed:\n  broken, fold 0, seed 1234: results/")
    assert f"{LOG}\n    error: encoder 'spectrogram': the weights" in str(error.value)
    told = capsys.readouterr().out
    assert "[1/2, 0:00:" in told and "broken, fold 0, seed 1234: failed, see" in told
    assert "[2/2, 0:00:" in told and "whole, fold 0, seed 1234: WA" in told


@pytest.mark.slow
def test_ten_rows_and_both_protocols_make_a_report(sweep):
    assert len(sweep(ABLATION, "--folds", "0")) == 10
    asked = ("--protocol=leave_one_session_out", "--folds", "0", "--variants", "all_coatt")
    assert len(sweep(ABLATION, *asked)) == 1
    sections = collect(["results"])
    assert [s.protocol for s in sections] == ["leave_one_session_out", "leave_one_speaker_out"]
    rows = [published.row_name(v.settings) for v in sections[1].variants.values()]
    assert rows == list(published.TABLE_2)
    page = write_report(collect(["results"]), "report")
    told = page.with_suffix(".md").read_text()
    for name in ("tsne", "attention", "confusion", "reliability", "curves-all_coatt", "groups"):
        assert f"iemocap-leave_one_speaker_out-held_out-{name}.png" in told
    assert "Table 1 of Zou et al., 2022" in told


@pytest.mark.parametrize(
    "error, told",
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b.csv"), "a/b.csv could not be writt"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), ".*Not a directory: 'a/b'"),
    ],
)
def test_planning_ends_with_a_line(sweep, iemocap, listening, monkeypatch, error, told):
    def scan(folder):
        raise error

    monkeypatch.setattr(iemocap, "scan", scan)
    with pytest.raises(SystemExit, match=f"^error: {told}"):
        sweep(TINY)


def test_planning_ends_for_a_signal(sweep, iemocap, listening, monkeypatch):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(iemocap, "scan", lambda folder: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(SystemExit) as ended:
        sweep(TINY)
    assert ended.value.code == 130


def test_it_says_how_many_variants_are_from_which_file(sweep, capsys, tmp_path):
    small = f"include: {TINY}\nmodalities: [spectrogram]\nfusion: concat\n"
    (tmp_path / "base.yaml").write_text(small + "variants: {x: {}, y: {}}\n")
    (tmp_path / "more.yaml").write_text("include: base.yaml\nvariants: {z: {}}\n")
    (tmp_path / "none.yaml").write_text("include: base.yaml\nvariants: null\n")

    def told(*arguments):
        assert sweep(*arguments, "--folds", "0", "1", "--dry_run") == []
        return capsys.readouterr().out

    whole = told("more.yaml")
    assert "variants: 2 from base.yaml, 1 from more.yaml; --variants selects" in whole
    assert "6 runs" in whole and "settings are from" not in whole
    assert "variants: 1 from base.yaml\n" in told("more.yaml", "--variants", "x")
    none = told("none.yaml")
    assert "variants:" not in none and "2 runs" in none
    combined = told("none.yaml", "--include", "more.yaml")
    assert "2 runs" in combined and "variants: 1 from more.yaml" in combined
    assert "base.yaml, then none.yaml, then more.yaml\n" in combined
    assert "more.yaml overrides none.yaml: variants\n" in combined
