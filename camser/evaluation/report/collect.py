"""Group results files into sections; refuse results that must not be mixed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from camser.evaluation.report.published import TABLE_2, row_name
from camser.evaluation.report.runs import ProtocolResults, RunRecord, VariantResults
from camser.evaluation.results import ResultsError, read_predictions, read_results
from camser.runtime.safe_io import matches_type

DIVIDING = ("num_folds", "valid_fraction", "target_corpus")  # settings that define the folds


class ReportError(ValueError):
    """The results cannot share one table, or there are none."""


def collect(folders: Iterable[str | Path]) -> list[ProtocolResults]:
    """Read every run below the folders.

    Raises
    ------
    ReportError
        If there are no runs, or runs of one row or table differ; the message names all such runs
        and their differences.
    ResultsError
        If a file is damaged.
    """
    paths = dict.fromkeys(p.resolve() for f in folders for p in Path(f).rglob("results.json"))
    runs = [_read(path) for path in sorted(paths)]
    if not runs:
        raise ReportError(f"no results.json below {', '.join(str(f) for f in folders)}")
    sections: dict[tuple, ProtocolResults] = {}
    by_variant = defaultdict(list)
    for run in runs:
        where = tuple(run.results[name] for name in ("corpus", "protocol", "selection"))
        target = (
            run.results["settings"].get("target_corpus") if where[1] == "cross_corpus" else None
        )
        by_variant[(*where, target), run.results["variant"]].append(run)
    problems = []
    for (where, name), group in by_variant.items():
        *names, target = where
        first = group[0]
        if where not in sections:
            protocol = f"{names[1]} to {target}" if target else names[1]
            sections[where] = ProtocolResults(names[0], protocol, names[2], first.results["labels"])
        section = sections[where]
        problems += _row_differences(first, group)
        problems += _table_differences((section.all_runs or [first])[0], group)
        section.variants[name] = VariantResults(
            name, section.labels, sorted(group, key=lambda r: r.key)
        )
    for section in sections.values():
        section.variants = dict(sorted(section.variants.items(), key=lambda v: _order(v[1])))
    if problems:
        raise ReportError("these results cannot share one table:\n  " + "\n  ".join(problems))
    return [sections[where] for where in sorted(sections, key=str)]


def _order(variant: VariantResults) -> tuple:
    """As in Table 2: single modalities, concatenations, co-attention; then other systems."""
    row = row_name(variant.settings)
    if row is None:
        return 3, 0, 0, variant.name
    known = list(TABLE_2).index(row) if row in TABLE_2 else len(TABLE_2)
    return int("w/ co-att" in row), row.count("+"), known, variant.name


def _read(path: Path) -> RunRecord:
    results = read_results(path)
    _check_settings(results["settings"], path)
    table = path.with_name("predictions.csv")
    try:
        predictions = read_predictions(table)
        for row in predictions:
            numbers = [float(row[name]) for name in ("seconds", *results["labels"])]
            if not all(map(math.isfinite, numbers)):
                raise ValueError(f"a number of {row['id']} is not finite")
            if abs(sum(map(math.exp, numbers[1:])) - 1) > 1e-3:
                raise ValueError(f"the probabilities of {row['id']} do not sum to 1")
            results["labels"].index(row["label"]), results["labels"].index(row["prediction"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise ResultsError(f"{table} is damaged ({error}); delete it and run again") from error
    if len(predictions) != results["num_utterances"]:
        raise ResultsError(
            f"{table} has {len(predictions)} rows, results.json {results['num_utterances']} "
            f"utterances; delete both and run again"
        )
    return RunRecord(path.parent, results, predictions)


def _check_settings(settings: Mapping[str, Any], path: Path) -> None:
    """Settings must define each name they refer to; other systems may have none of these."""
    for plural, names in (
        ("encoders", settings.get("modalities", [])),
        ("fusions", [settings["fusion"]] if "fusion" in settings else []),
    ):
        tables = settings.get(plural, {})
        for name in [*names, *tables] if plural in settings else ():
            if not isinstance(tables.get(name, {}).get("plugin"), str):
                raise ResultsError(
                    f"{path}: of the {plural}, {name!r} has no plugin; delete it and run again"
                )
    if ("fusions" in settings) != ("fusion" in settings and "modalities" in settings):
        raise ResultsError(f"{path}: settings describe the model incompletely; run again")
    modalities = (
        settings.get("fusions", {}).get(settings.get("fusion"), {}).get("output_modalities") or []
    )
    if not matches_type(modalities, [str]):
        raise ResultsError(
            f"{path}: output_modalities is {modalities!r:.80}; it must be a list of names"
        )


def _table_differences(first: RunRecord, runs: Sequence[RunRecord]) -> list[str]:
    """Why runs cannot share a table with a section's first run."""
    problems = []
    for run in runs:
        for name in ("labels", "manifest"):
            problems += _difference(first, run, name, first.results[name], run.results[name])
        one, other = (r.results["settings"] for r in (first, run))
        for name in DIVIDING:
            if name in one and name in other:
                problems += _difference(first, run, name, one[name], other[name])
    return problems


def _row_differences(first: RunRecord, runs: Sequence[RunRecord]) -> list[str]:
    """Why runs of one variant cannot share a row."""
    problems: list[str] = []
    seen: dict[tuple, RunRecord] = {}
    for run in runs:
        one, other = (shared_settings(r.results["settings"]) for r in (first, run))
        for name in sorted({*one, *other}):
            problems += _difference(first, run, name, one.get(name), other.get(name))
        if seen.setdefault(run.key, run) is not run:
            problems.append(f"{seen[run.key].folder} and {run.folder} are the same fold and seed")
    return problems


def _difference(one: RunRecord, other: RunRecord, name: str, first: Any, second: Any) -> list[str]:
    if first == second:
        return []
    return [f"{one.folder} and {other.folder} differ in {name}: {first!r}, {second!r}"]


def shared_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are equal in all runs of a variant."""
    return {name: value for name, value in settings.items() if name not in ("fold", "seed")}
