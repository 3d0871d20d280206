"""What READMEs show is what the files beside them hold."""

import json
import re

import pytest

from camser.evaluation.report.tables import Table
from camser.evaluation.report.write import MARKS, tables_to_markdown
from tests.helpers.recipe_runs import ROOT

REPORTS = sorted(ROOT.glob("recipes/*/results/report.json"))
MORE_REPORTS = sorted(ROOT.glob("recipes/*/results/*/report.json"))


@pytest.mark.parametrize("path", REPORTS, ids=lambda p: p.parts[-3])
def test_a_readmes_table_is_that_of_its_results(path):
    readme = (path.parent.parent / "README.md").read_text(encoding="utf-8")
    assert MARKS.search(readme)[0] == f"<!-- table -->\n{tables_of(path)}<!-- end -->"


@pytest.mark.parametrize("path", MORE_REPORTS, ids=lambda p: "-".join(p.parts[-4:-1]))
def test_a_readme_has_the_tables_of_its_other_reports(path):
    assert tables_of(path) in (path.parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("column, corpus", [(1, "EmoDB"), (2, "RAVDESS")])
def test_the_first_readmes_results_are_those_of_the_reports(column, corpus):
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("<!-- results -->")[1]
    lines = [line for line in text.split("<!-- end -->")[0].splitlines() if "`)" in line]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    found = json.loads((ROOT / f"recipes/{corpus}/results/report.json").read_text())
    table = found["sections"][0]["table"]
    scores = [dict(zip(table["header"], row, strict=True)) for row in table["rows"]]
    pooled = {row["model"].partition(":")[0]: row["pooled UA [95 %]"] for row in scores}
    assert all(row["runs"].startswith("10 of 10") for row in scores)
    names = [re.search(r"\(`(\w+)`\)", row[0])[1] for row in shown]
    assert len(names) == 6 and [row[column] for row in shown] == [pooled[n] for n in names]


def tables_of(path):
    found = json.loads(path.read_text(encoding="utf-8"))["sections"]
    return tables_to_markdown([Table(**section["table"]) for section in found])


def test_a_readme_with_a_place_for_a_table_has_the_results_for_it():
    marked = [p for p in ROOT.glob("recipes/*/README.md") if "<!-- table -->" in p.read_text()]
    assert marked and all((p.parent / "results/report.json").is_file() for p in marked)


@pytest.mark.parametrize("path", sorted(ROOT.glob("**/*.md")), ids=lambda p: p.parent.name)
def test_what_a_page_links_to_is_there(path):
    if any(part.startswith(".") for part in path.relative_to(ROOT).parts):
        return
    for target in re.findall(r"\]\(([^)#]+?)\)", path.read_text(encoding="utf-8")):
        is_made = "made/" in target  # `make docs` writes these, and checks its links
        assert "://" in target or is_made or (path.parent / target).exists(), f"{path}: {target}"
