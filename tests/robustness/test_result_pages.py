"""The campaigns: their counting, their page, and that nothing was lost in any of them."""

import argparse
import json

import pytest

from robustness import mutants
from robustness.harness import report, write_tables
from tests.helpers.recipe_runs import ROOT


def test_what_happened_is_counted_and_what_is_lost_ends_with_an_error(tmp_path, capsys):
    def run(asked, tally):
        for _ in range(asked.number):
            tally.add("a kill", "same weights")
        tally.add("a flip", "named", times=4)

    report.main(run, 3, ["--output", str(tmp_path / "a.json")])
    told = json.loads((tmp_path / "a.json").read_text())
    assert told["command"] == "python -m tests.robustness.test_result_pages --number 3 --seed 0"
    assert told["rows"] == [
        {"fault": "a kill", "tried": 3, "what happened": "same weights: 3", "lost": 0},
        {"fault": "a flip", "tried": 4, "what happened": "named: 4", "lost": 0},
    ]
    lost = lambda asked, tally: tally.lose("a kill", "other weights", "seed 3")  # noqa: E731
    with pytest.raises(SystemExit, match="1 lost"):
        report.main(lost, 1, [])
    assert "seed 3" in capsys.readouterr().err


def test_the_page_says_what_the_files_say():
    page = (ROOT / "docs/robustness.md").read_text(encoding="utf-8")
    assert write_tables.filled(page) == page


@pytest.mark.parametrize("name", sorted(p.stem for p in report.RESULTS.glob("*.json")))
def test_nothing_was_lost(name):
    path = report.RESULTS / f"{name}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert rows and all(row["tried"] > 0 and row["lost"] == 0 for row in rows)
    assert f"<!-- {name} -->" in (ROOT / "docs/robustness.md").read_text(encoding="utf-8")


def test_each_equivalent_mutant_is_of_a_line_that_is_there():
    listed = mutants.EXPLAINED.findall(mutants.PAGE.read_text(encoding="utf-8"))
    assert listed
    for stem, before, _ in listed:
        (path,) = (ROOT / "camser").rglob(f"{stem}.py")
        assert before in " ".join(path.read_text(encoding="utf-8").split()), (stem, before)


def test_a_mutant_that_was_not_tested_to_the_end_is_lost(monkeypatch):
    ended = ("killed", "timeout", "no tests", "suspicious", "segfault", "not checked")
    results = "".join(f"camser.data.folds.x__mutmut_{i}: {s}\n" for i, s in enumerate(ended))
    monkeypatch.setattr(mutants, "mutmut", lambda folder, *arguments: results)
    tally = report.Tally()
    mutants.run(argparse.Namespace(jobs=1), tally)
    (row,) = tally.rows()
    assert row["tried"] == 6 and row["lost"] == 4
