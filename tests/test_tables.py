"""Tables in READMEs are those of the files beside them."""

import json
import re

import pytest
from conftest import ROOT, load_module


@pytest.mark.parametrize("path", sorted(ROOT.glob("recipes/*/results/folds.json")))
def test_a_readmes_table_is_that_of_its_results(path):
    tabulate = load_module("bench/tabulate.py")
    readme = (path.parent.parent / "README.md").read_text()
    shown = re.search(r"<!-- table -->\n(.*?)\n<!-- end -->", readme, flags=re.S)[1]
    assert shown == tabulate.render(json.loads(path.read_text()))


def test_a_readme_with_a_place_for_a_table_has_the_results_for_it():
    marked = [p for p in ROOT.glob("recipes/*/README.md") if "<!-- table -->" in p.read_text()]
    assert marked and all((p.parent / "results/folds.json").is_file() for p in marked)


def test_runs_that_do_not_belong_together_are_refused(run):
    tabulate = load_module("bench/tabulate.py")
    one, other = run(folder="a"), run("--fold=1", folder="b")
    table = tabulate.collect([one.output_folder, other.output_folder])
    assert set(table["systems"]["tiny"]) == {"iemocap/Ses01F", "iemocap/Ses01M"}
    row = tabulate.render(table).splitlines()[-1]
    scores = (
        [one.brain.scores[s] for s in ("WA", "UA")],
        [other.brain.scores[s] for s in ("WA", "UA")],
    )
    assert all(f"{100 * v:.1f}" in row for pair in scores for v in pair)
    with pytest.raises(ValueError, match="has fold iemocap/Ses01F twice"):
        tabulate.collect([one.output_folder] * 2)
    biased = run("--selection=test_fold", folder="c")
    with pytest.raises(ValueError, match="selection is 'test_fold', not 'held_out' as before"):
        tabulate.collect([one.output_folder, biased.output_folder])
    assert "selected on the test fold (optimistic)" in tabulate.render(
        tabulate.collect([biased.output_folder])
    )
