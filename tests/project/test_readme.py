"""What the README and the pages that it leads to show can be typed, and prints what they say."""

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.recipe_runs import ROOT

README, PLUGINS, USE = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/plugins.md", "docs/how_to/use_a_model.md")
)
SNIPPET = next(b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "demo/export" in b)
PRINTED = re.search(r"<!-- printed -->\n```\n(.*?)```", README, re.S)[1]
FORM = re.compile(r"(\w+), (\d+)% sure, (\d+\.\d\d) s\n")


def run_snippet():
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(SNIPPET, "README.md", "exec"), {})
    return printed.getvalue()


def test_the_snippet_runs(export, corpus, tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/export").symlink_to(export)
    (tmp_path / "demo/corpus").symlink_to(corpus)
    monkeypatch.chdir(tmp_path)
    assert FORM.fullmatch(run_snippet()) and FORM.fullmatch(PRINTED)


def test_the_memory_of_a_timeline_is_what_was_measured():
    found = json.loads((ROOT / "bench/results/timeline_memory.json").read_text())
    assert [row["seconds"] for row in found["tables"]["timeline"]] == [10, 7200]
    grown = found["settings"]["grown_megabytes"]
    assert f"two hours need {grown:.0f} MB more memory" in USE


def test_the_plugins_are_those_that_are_listed(tmp_path):
    shown = re.search(r"    \$ camser plugins list\n((?:    \w.*\n)+)", PLUGINS)[1]
    command = [Path(sys.executable).parent / "camser", "plugins", "list"]
    # From elsewhere: here lies what the last build of the wheel left of its entry points.
    printed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    # Another package's may be installed too, and widen the columns.
    ours = [line.split() for line in printed.stdout.splitlines() if " camser " in line]
    assert [line.split() for line in shown.splitlines()] == ours


@pytest.mark.slow
def test_after_make_demo_the_snippet_prints_what_the_readme_says(tmp_path, monkeypatch):
    """Another CPU rounds otherwise: the confidence may differ by some percent, nothing else."""
    programs = f"BIN={Path(sys.executable).parent}"
    command = ["make", "--old-file=.venv/.installed", "demo", programs, f"DEMO={tmp_path}/demo"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    monkeypatch.chdir(tmp_path)
    (words,) = re.findall(r"^    \$ (camser classify .+)$", README, re.M)
    command = [Path(sys.executable).parent / "camser", *words.split()[1:]]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    shown = README.split(words)[1].split("\n\n")[0].splitlines()[1:]
    for line, said in zip(shown, printed.splitlines(), strict=False):
        assert line.split()[:3] == said.split()[:3]
    found, expected = FORM.fullmatch(run_snippet()), FORM.fullmatch(PRINTED)
    assert (found[1], found[3]) == (expected[1], expected[3])
    assert int(found[2]) == pytest.approx(int(expected[2]), abs=10)
