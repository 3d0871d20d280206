#!/usr/bin/env python3
"""Mutants of a module: one small change each, and whether its tests notice.

    python -m robustness.mutation_testing.run --output robustness/results/mutants.json

A mutant that no test can tell from the original is equivalent; docs/robustness.md names each such
one, with the reason. One that passes all tests and is not named there is a test that is missing:
lost.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import itertools
import multiprocessing
import os
import random
import re
import sys
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from robustness.harness import report
from robustness.mutation_testing import operators

MODULES = {"folds": "data.folds", "metrics": "evaluation.metrics", "segments": "segments"}
TESTS = {
    "folds": (
        "tests/data/test_folds.py",
        "tests/data/test_speaker_folds.py",
        "tests/data/test_fold_errors.py",
    ),
    "metrics": ("tests/evaluation/test_metrics.py",),
    "segments": ("tests/test_segments.py", "tests/training/test_scoring.py"),
}
PAGE = report.ROOT / "docs/robustness.md"
EXPLAINED = re.compile(r"^- `(\w+)`: `(.+?)` as `(.+?)`: ", re.MULTILINE)
SHOWN = 60  # characters of a line, at each side of a change
QUICK = ("-x", "--assert=plain", "-p", "pytest_timeout", "-p", "no:cacheprovider")
LONGEST = 300.0  # seconds; all tests of a module take ten


class Mutant(NamedTuple):
    """A module with one change: the line before and after it, as Python writes them."""

    module: str
    before: str
    after: str
    tree: ast.Module


def mutants(module: str) -> Iterator[Mutant]:
    """All mutants of one of ``MODULES``."""
    source = (report.ROOT / _path(module)).read_text(encoding="utf-8")
    original = ast.unparse(ast.parse(source)).splitlines()
    for tree in operators.changed(source):
        lines = difflib.ndiff(original, ast.unparse(tree).splitlines())
        marked = [(line[0], line[2:].strip()) for line in lines]
        before, after = (" ".join(text for m, text in marked if m == mark) for mark in "-+")
        yield Mutant(module, *_around(before, after), tree)


def _around(before: str, after: str) -> tuple[str, str]:
    """Two long lines without what they share, but for some words at each side."""
    start, end = _shared(before, after), _shared(before[::-1], after[::-1])
    short = []
    for line in (before, after):
        head, tail = ("… " if start else ""), (" …" if end else "")
        short.append(head + line[start : len(line) - end].strip() + tail)
    return short[0], short[1]


def _shared(one: str, other: str) -> int:
    """How much of the beginning, which both have, need not be shown."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return max(0, len(list(same)) - SHOWN)


def explained(page: str) -> set[tuple[str, str, str]]:
    """Module, line and changed line of what ``page`` calls equivalent."""
    return set(EXPLAINED.findall(page))


def survives(module: str, tree: ast.Module | None) -> bool:
    """Whether the tests of ``module`` pass with ``tree`` in its place (None: with itself)."""
    process = multiprocessing.get_context("fork").Process(target=_test, args=(module, tree))
    process.start()
    process.join(LONGEST)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode == 0


def _path(module: str) -> str:
    return f"camser/{MODULES[module].replace('.', '/')}.py"


def _test(module: str, tree: ast.Module | None) -> None:
    """In a child: put ``tree`` in the module's place and end with pytest's status."""
    import pytest

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    path = _path(module)
    if tree is not None:
        _install(f"camser.{MODULES[module]}", path, tree)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os._exit(pytest.main([*TESTS[module], path, *QUICK]))


def _install(name: str, path: str, tree: ast.Module) -> None:
    """Have ``name`` imported as ``tree``, by every module that imports it."""
    for other in [n for n in sys.modules if n.startswith("camser.")]:
        del sys.modules[other]
    package = importlib.import_module(name.rpartition(".")[0])
    module = types.ModuleType(name)
    module.__file__ = str(report.ROOT / path)
    sys.modules[name] = module
    setattr(package, name.rpartition(".")[2], module)
    exec(compile(tree, module.__file__, "exec"), module.__dict__)


def _import_the_slow() -> None:
    """What all children need and no mutant changes, imported once."""
    for name in ("sklearn.model_selection", "camser.model", "tests.conftest"):
        importlib.import_module(name)
    del sys.modules["tests.conftest"]
    importlib.import_module("torch").set_num_threads(1)


def run(asked: argparse.Namespace, tally: report.Tally) -> None:
    """Try ``number`` mutants of each module, or all where there are fewer."""
    os.chdir(report.ROOT)
    _import_the_slow()
    known = explained(PAGE.read_text(encoding="utf-8"))
    for module in TESTS:
        if not survives(module, None):
            sys.exit(f"the tests of {module} fail as it is: pytest {' '.join(TESTS[module])}")
        found = list(mutants(module))
        some = random.Random(asked.seed).sample(found, min(asked.number, len(found)))
        with ThreadPoolExecutor(asked.jobs) as threads:
            outcomes = threads.map(lambda m: survives(m.module, m.tree), some)
            for mutant, survived in zip(some, outcomes, strict=True):
                judge(mutant, survived, known, tally)


def judge(
    mutant: Mutant, survived: bool, known: set[tuple[str, str, str]], tally: report.Tally
) -> None:
    """Count a mutant: noticed, equivalent, or lost."""
    fault = f"a change of `{mutant.module}.py`"
    if not survived:
        tally.add(fault, "a test fails")
    elif mutant[:3] in known:
        tally.add(fault, "equivalent")
    else:
        tally.lose(fault, "no test fails", f"- `{mutant[0]}`: `{mutant[1]}` as `{mutant[2]}`: why")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    jobs = os.cpu_count() or 1
    parser.add_argument("--jobs", type=int, default=jobs, help=f"at a time; here {jobs}")
    report.main(run, 1000, parser=parser)
