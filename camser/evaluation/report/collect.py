"""Results files to sections: what belongs together, and what must not be mixed."""

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

DIVIDING = ("num_folds", "valid_fraction", "target")  # settings that make folds what they are


class ReportError(ValueError):
    """Results that cannot stand in one table, or none at all."""


def collect(folders: Iterable[str | Path]) -> list[ProtocolResults]:
    """Read every run below some folders.

    Raises
    ------
    ReportError
        If there is none, one is damaged, or two differ that would share a row or a table; the
        message names all such files and what they differ in.
    """
    paths = dict.fromkeys(p.resolve() for f in folders for p in Path(f).rglob("results.json"))
    runs = [_read(path) for path in sorted(paths)]
    if not runs:
        raise ReportError(f"no results.json below {', '.join(str(f) for f in folders)}")
    sections: dict[tuple, ProtocolResults] = {}
    by_variant = defaultdict(list)
    for run in runs:
        where = tuple(run.results[name] for name in ("corpus", "protocol", "selection"))
        target = run.results["settings"].get("target") if where[1] == "cross_corpus" else None
        by_variant[(*where, target), run.results["variant"]].append(run)
    problems = []
    for (where, name), mine in by_variant.items():
        *named, target = where
        first = mine[0]
        if where not in sections:
            protocol = f"{named[1]} to {target}" if target else named[1]
            sections[where] = ProtocolResults(named[0], protocol, named[2], first.results["labels"])
        section = sections[where]
        problems += _unlike(mine[0], mine) + _unfit((section.all_runs or [first])[0], mine)
        section.variants[name] = VariantResults(
            name, section.labels, sorted(mine, key=lambda r: r.key)
        )
    for section in sections.values():
        section.variants = dict(sorted(section.variants.items(), key=lambda v: _order(v[1])))
    if problems:
        raise ReportError("these results do not belong together:\n  " + "\n  ".join(problems))
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
    """Names that settings refer to are told in them; another system's may have none of these."""
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
        raise ResultsError(f"{path}: settings tell only a part of the model; run again")
    kept = settings.get("fusions", {}).get(settings.get("fusion"), {}).get("keep") or []
    if not matches_type(kept, [str]):
        raise ResultsError(f"{path}: keep is {kept!r:.80}; it must be a list of names")


def _unfit(first: RunRecord, mine: Sequence[RunRecord]) -> list[str]:
    """What keeps runs from sharing a table with a section's first run."""
    problems = []
    for run in mine:
        for name in ("labels", "manifest"):
            problems += _difference(first, run, name, first.results[name], run.results[name])
        one, other = (r.results["settings"] for r in (first, run))
        for name in DIVIDING:
            if name in one and name in other:
                problems += _difference(first, run, name, one[name], other[name])
    return problems


def _unlike(first: RunRecord, mine: Sequence[RunRecord]) -> list[str]:
    """What keeps runs of one variant from sharing a row."""
    problems: list[str] = []
    seen: dict[tuple, RunRecord] = {}
    for run in mine:
        one, other = (shared_settings(r.results["settings"]) for r in (first, run))
        for name in sorted({*one, *other}):
            problems += _difference(first, run, name, one.get(name), other.get(name))
        if seen.setdefault(run.key, run) is not run:
            problems.append(f"{seen[run.key].folder} and {run.folder} are the same fold and seed")
    return problems


def _difference(one: RunRecord, other: RunRecord, name: str, value: Any, found: Any) -> list[str]:
    if value == found:
        return []
    return [f"{one.folder} and {other.folder} differ in {name}: {value!r}, {found!r}"]


def shared_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What all runs of a variant agree on."""
    return {name: value for name, value in settings.items() if name not in ("fold", "seed")}
