#!/usr/bin/env python3
"""A table of runs beside simple systems, fold by fold, from results files alone.

    python bench/tabulate.py results/emodb/*/*/*/* --rivals rivals.json \
        --output recipes/EmoDB/results/folds.json --readme recipes/EmoDB/README.md

Writes the numbers as JSON and puts them, as a table, between the lines ``<!-- table -->`` and
``<!-- end -->`` of a README. Runs on other data, protocols or selections are refused: they do not
belong in one table. A variant counts only with all of the folds.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from camser.files import replacing
from camser.folds import OPTIMISTIC
from camser.results import read_results

SHARED = ("corpus", "protocol", "selection", "labels", "manifest")
SCORES = ("WA", "UA")


def collect(folders: Iterable[Path]) -> dict[str, Any]:
    """The runs' scores by variant and fold, and what the runs share.

    Raises
    ------
    ValueError
        If two runs differ in what must be shared.
    """
    table: dict[str, Any] = {"systems": {}}
    for folder in folders:
        run = read_results(folder / "results.json")
        for name in SHARED:
            if table.setdefault(name, run[name]) != run[name]:
                raise ValueError(
                    f"{folder}: {name} is {run[name]!r}, not {table[name]!r} as before"
                )
        scores = {name: round(run[name], 4) for name in SCORES}
        seeds = table["systems"].setdefault(run["variant"], {}).setdefault(run["fold_name"], {})
        if seeds:
            raise ValueError(f"{folder}: {run['variant']} has fold {run['fold_name']} twice")
        seeds.update(scores, best_epoch=run["best_epoch"], seed=run["seed"])
    return table


def add_rivals(table: dict[str, Any], path: Path, folds: Iterable[str]) -> None:
    """Add the simple systems of ``bench/rivals.py``, on the same folds."""
    rivals = json.loads(path.read_text(encoding="utf-8"))
    if rivals["manifest"] != table["manifest"]:
        raise ValueError(f"{path}: other data: {rivals['manifest']}, not {table['manifest']}")
    for system, found in rivals["systems"].items():
        by_fold = {fold["fold_name"]: fold for fold in found["folds"]}
        table["systems"][f"{system} ({rivals['arguments']['train']})"] = {
            name: {score: round(by_fold[name][score], 4) for score in SCORES} for name in folds
        }


def render(table: dict[str, Any]) -> str:
    """The table as Markdown: WA / UA in %, by fold and their mean."""
    folds = sorted({fold for system in table["systems"].values() for fold in system})
    rows = [["WA / UA, %", *folds, "mean"], ["---"] * (len(folds) + 2)]
    for system, found in table["systems"].items():
        pairs = [[found[fold][score] for score in SCORES] for fold in folds]
        mean = [sum(column) / len(folds) for column in zip(*pairs, strict=True)]
        rows.append([system, *(" / ".join(f"{100 * v:.1f}" for v in p) for p in [*pairs, mean])])
    note = f"\n\nAll {OPTIMISTIC}." if table["selection"] == "test_fold" else ""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + note


def place(readme: Path, text: str) -> None:
    """Put the table between the README's two marks."""
    old = readme.read_text(encoding="utf-8")
    marks = r"(<!-- table -->\n).*?(\n<!-- end -->)"
    if not re.search(marks, old, flags=re.S):
        raise ValueError(f"{readme} has no lines <!-- table --> and <!-- end --> around a place")
    new = re.sub(marks, rf"\1{text}\2", old, flags=re.S)
    with replacing(readme) as file:
        file.write(new)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders with a results.json")
    parser.add_argument("--rivals", nargs="*", type=Path, default=[], help="of bench/rivals.py")
    parser.add_argument("--output", required=True, type=Path, help="the JSON to write")
    parser.add_argument("--readme", type=Path, help="the README to put the table into")
    arguments = parser.parse_args()
    try:
        table = collect(arguments.runs)
        folds = {fold for system in table["systems"].values() for fold in system}
        short = [n for n, found in table["systems"].items() if set(found) != folds]
        if short:
            raise ValueError(f"not all of the folds {sorted(folds)}: {', '.join(short)}")
        for path in arguments.rivals:
            add_rivals(table, path, sorted(folds))
        if arguments.readme:
            place(arguments.readme, render(table))
    except ValueError as error:
        sys.exit(f"error: {error}")
    with replacing(arguments.output) as file:
        json.dump(table, file, indent=1)
        file.write("\n")
    print(render(table))


if __name__ == "__main__":
    main()
