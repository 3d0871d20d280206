"""What a forge and a release need: workflows, hooks, templates, and one version everywhere."""

import re

import pytest
import yaml

from camser import __version__
from tests.helpers.recipe_runs import ROOT, load_module

CHECK = load_module(".ci/release_check.py")
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_workflows_run_targets_of_make_and_nothing_else(path):
    targets = set()
    for job in read(path)["jobs"].values():
        choices = job.get("strategy", {}).get("matrix", {}).get("target", [])
        for command in (step["run"] for step in job["steps"] if "run" in step):
            target = re.fullmatch(r"make (.+)", command)[1]
            targets |= {*choices} if target == "${{ matrix.target }}" else {target}
    assert targets
    for target in targets:
        assert re.search(rf"^[\w -]*\b{re.escape(target)}\b[\w -]*:(?!=)", MAKEFILE, re.M), target


def test_the_tests_run_on_the_pythons_that_are_supported():
    matrix = read(ROOT / ".github/workflows/test.yml")["jobs"]["test"]["strategy"]["matrix"]
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "setup.cfg").read_text(encoding="utf-8"))
    assert matrix["python"] == named == list(CHECK.PYTHONS)


def test_the_hooks_are_those_of_lint():
    (repo,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    entries = {hook["entry"].removesuffix(" --fix") for hook in repo["hooks"]}
    lint = MAKEFILE.split("\nlint:")[1].split("\n\n")[0]
    wanted = re.findall(r"\$\(BIN\)/(.+)", lint)
    files = r" --check| (?:[.]|\.github/\S+|\$\(FORMS\)|CITATION\.cff)$"
    assert entries == {f".venv/bin/{re.sub(files, '', line)}" for line in wanted} | {
        ".venv/bin/ruff check"
    }


def test_forms_of_issues_ask_for_something():
    forms = [p for p in ROOT.glob(".github/ISSUE_TEMPLATE/*.yml") if p.stem != "config"]
    assert len(forms) == 3
    for form in map(read, forms):
        assert {"name", "description", "body"} <= set(form) and form["body"]


def test_a_release_needs_one_version_and_a_day(tmp_path):
    (tmp_path / "camser").mkdir()
    (tmp_path / "camser/__init__.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.1.0\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n")
    cited, changed = CHECK.version_problems(tmp_path)
    assert "1.1.0" in cited and "[Unreleased]" in changed
    (tmp_path / "CITATION.cff").write_text("version: 1.2.0\n")
    (tmp_path / "CHANGELOG.md").write_text("## [1.2.0] - 2026-12-01\n\n## [1.1.0] - 2026-01-01\n")
    assert not [*CHECK.version_problems(tmp_path)]


def test_the_citation_has_the_version_of_the_code():
    assert read(ROOT / "CITATION.cff")["version"] == __version__
