"""Group results files into sections; refuse results that must not be mixed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from camser.evaluation.report.published import TABLE_2, row_name, subset
from camser.evaluation.report.runs import ProtocolResults, RunRecord, VariantResults
from camser.evaluation.results import (
    PREDICTIONS,
    RESULTS,
    ResultsError,
    read_predictions,
    read_results,
)
from camser.evaluation.schema import MODEL_SETTINGS

DIVIDING = ("num_folds", "valid_fraction", "target_corpus")  # settings that define the folds
Variants = dict[str, list[RunRecord]]


class ReportError(ValueError):
    """The results cannot share one table, or there are none."""


def collect(folders: Iterable[str | Path]) -> list[ProtocolResults]:
    """Read every run below the folders that has a test split.

    Raises
    ------
    ReportError
        If there are no runs, or runs of one row or table differ; the message names all such runs
        and their differences.
    ResultsError
        If a file is damaged.
    """
    paths = {path.resolve() for f in folders for path in Path(f).rglob(RESULTS)}
    if not paths:
        raise ReportError(f"no {RESULTS} below {', '.join(str(f) for f in folders)}")
    sections: dict[tuple[str, ...], Variants] = defaultdict(lambda: defaultdict(list))
    tested = [run for path in sorted(paths) if (run := _read(path))]
    if not tested:
        raise ReportError(f"no run below {', '.join(str(f) for f in folders)} has a test split")
    for run in tested:
        names = [run.results[name] for name in ("corpus", "protocol", "selection")]
        target = run.results["settings"].get("target_corpus") or ""
        target = target if names[1] == "cross_corpus" else ""
        where = *names, target, subset(names[0], run.results["settings"])
        sections[where][run.results["variant"]].append(run)
    problems = dict.fromkeys(p for variants in sections.values() for p in _problems(variants))
    if problems:
        raise ReportError("these results cannot share one table:\n  " + "\n  ".join(problems))
    return [_section(where, sections[where]) for where in sorted(sections)]


def _section(where: tuple[str, ...], runs: Variants) -> ProtocolResults:
    corpus, protocol, selection, target, utterances = where
    variants = [
        VariantResults(name, sorted(mine, key=lambda run: run.key)) for name, mine in runs.items()
    ]
    by_name = {variant.name: variant for variant in sorted(variants, key=_order)}
    protocol = f"{protocol} to {target}" if target else protocol
    protocol = f"{protocol}, {utterances}" if utterances else protocol
    return ProtocolResults(corpus, protocol, selection, by_name)


def _order(variant: VariantResults) -> tuple:
    """As in Table 2: single modalities, concatenations, co-attention; then other systems."""
    row = row_name(variant.settings)
    if row is None:
        return 3, 0, 0, variant.name
    known = list(TABLE_2).index(row) if row in TABLE_2 else len(TABLE_2)
    return int("w/ co-att" in row), row.count("+"), known, variant.name


def _problems(variants: Variants) -> Iterator[str]:
    """Why the runs cannot share a table, or those of a variant a row."""
    first_of_all = next(iter(variants.values()))[0]
    for runs in variants.values():
        seen: dict[tuple, RunRecord] = {}
        for run in runs:
            both = comparable(first_of_all).keys() & comparable(run).keys()
            table = {"labels", "manifest", *(both & {*DIVIDING})}
            yield from _differences(first_of_all, run, table)
            yield from _differences(runs[0], run, {*comparable(runs[0]), *comparable(run)})
            if seen.setdefault(run.key, run) is not run:
                yield f"{seen[run.key].folder} and {run.folder} are the same fold and seed"


def _differences(one: RunRecord, other: RunRecord, names: Collection[str]) -> Iterator[str]:
    first, second = comparable(one), comparable(other)
    for name in sorted(names):
        a, b = first.get(name), second.get(name)
        if a != b:
            yield f"{one.folder} and {other.folder} differ in {name}: {a!r}, {b!r}"


def comparable(run: RunRecord) -> dict[str, Any]:
    """What is equal in all runs of a variant: the settings, the labels and the manifest."""
    results = run.results
    shared = {k: v for k, v in results["settings"].items() if k not in ("fold", "seed")}
    return {**shared, "labels": results["labels"], "manifest": results["manifest"]}


def _read(path: Path) -> RunRecord | None:
    """The run, or None if it has no test split."""
    results = read_results(path)
    if not results["parts"]["test"]:
        return None
    _check_model(results["settings"], path)
    table = path.with_name(PREDICTIONS)
    try:
        predictions = read_predictions(table)
        for row in predictions:
            _check_prediction(row, results["labels"])
    except (OSError, ValueError, KeyError, OverflowError) as error:
        raise ResultsError(f"{table} is damaged ({error}); delete it and run again") from error
    if len(predictions) != results["num_utterances"]:
        raise ResultsError(
            f"{table} has {len(predictions)} rows, {RESULTS} {results['num_utterances']} "
            f"utterances; delete both and run again"
        )
    return RunRecord(path.parent, results, predictions)


def _check_prediction(row: Mapping[str, str], labels: Sequence[str]) -> None:
    """Raise a ValueError, or a KeyError for a missing column, unless a row is valid."""
    allowed = {"label": labels, "prediction": labels, "text_in_train": ("yes", "no", "")}
    for column, values in allowed.items():
        if row[column] not in values:
            raise ValueError(f"{column} of {row['id']} is {row[column]!r}; allowed: {[*values]}")
    logs = [float(row[label]) for label in labels]
    if not all(map(math.isfinite, [float(row["seconds"]), *logs])):
        raise ValueError(f"a number of {row['id']} is not finite")
    if abs(sum(map(math.exp, logs)) - 1) > 1e-3:
        raise ValueError(f"the probabilities of {row['id']} do not sum to 1")


def _check_model(settings: Mapping[str, Any], path: Path) -> None:
    """Settings that describe a model must describe all of it; other systems have none."""
    if not MODEL_SETTINGS & settings.keys():
        return
    encoders, fusions = settings.get("encoders", {}), settings.get("fusions", {})
    parts = [encoders.get(name, {}) for name in settings.get("modalities", [])]
    parts += [*encoders.values(), fusions.get(settings.get("fusion"), {}), *fusions.values()]
    if not settings.keys() >= MODEL_SETTINGS or not all(
        isinstance(part.get("plugin"), str)
        and isinstance(part.get("output_modalities"), list | None)
        for part in parts
    ):
        raise ResultsError(
            f"{path}: the settings describe the model incompletely: a modality or the fusion has "
            f"no plugin, or output_modalities is no list; delete it and run again"
        )
