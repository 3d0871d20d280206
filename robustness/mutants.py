#!/usr/bin/env python3
"""Mutants of folds, metrics and segments, made by mutmut: do their tests notice each small change?

    python -m robustness.mutants --output robustness/results/mutants.json

mutmut is not among the dependencies: pip install mutmut. What it changes, and the tests that it
runs, stand in pyproject.toml. A mutant that no test can tell from the original is equivalent;
docs/robustness.md names each such one, with the reason. One that passes all tests and is not named
there is a test that is missing: lost. So is one that mutmut did not test to the end.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from robustness.harness import report

NEEDED = ("camser", "tests", "recipes", "pyproject.toml", "setup.cfg")
PAGE = report.ROOT / "docs/robustness.md"
EXPLAINED = re.compile(r"^- `(\w+)`: `(.*?)` as `(.*?)`: ", re.MULTILINE)
FOUND = {"killed": "a test fails", "timeout": "timeout"}  # by mutmut's word
RESULT = re.compile(r"camser\.([\w.]+)\.(\w+__mutmut_\d+): (.+)")


def mutmut(folder: Path, *arguments: str) -> str:
    """What mutmut prints."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    ended = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        sys.exit(f"mutmut failed; is it installed (pip install mutmut)?\n{ended.stdout[-3000:]}")
    return ended.stdout


def change(diff: str) -> tuple[str, str]:
    """The lines that a mutant takes away and those that it puts in their place."""
    body = diff.split("@@", 1)[-1].splitlines()
    before, after = (" ".join(x[1:].strip() for x in body if x.startswith(m)) for m in "-+")
    return before, after


def run(asked: argparse.Namespace, tally: report.Tally) -> None:
    """All mutants, in a folder of their own: mutmut writes beside what it reads."""
    known = set(EXPLAINED.findall(PAGE.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as place:
        for name in NEEDED:
            Path(place, name).symlink_to(report.ROOT / name)
        mutmut(Path(place), "run", "--max-children", str(asked.jobs))
        for module, name, status in RESULT.findall(mutmut(Path(place), "results", "--all", "true")):
            stem = module.rpartition(".")[2]
            fault = f"a change of `{stem}.py`"
            if status in FOUND:
                tally.add(fault, FOUND[status])
                continue
            if status != "survived":
                tally.lose(fault, status, f"camser.{module}.{name}")
                continue
            before, after = change(mutmut(Path(place), "show", f"camser.{module}.{name}"))
            if (stem, before, after) in known:
                tally.add(fault, "equivalent")
            else:
                tally.lose(fault, "no test fails", f"- `{stem}`: `{before}` as `{after}`: why")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    jobs = os.cpu_count() or 1
    parser.add_argument("--jobs", type=int, default=jobs, help=f"at a time; here {jobs}")
    report.main(run, number=None, parser=parser)
