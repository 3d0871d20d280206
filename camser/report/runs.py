"""Results files to rows of tables: what belongs together, and what must not be mixed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from camser.metrics import scores
from camser.report.published import TABLE_2, row_name
from camser.results import ResultsError, read_predictions, read_results

SCORES = ("WA", "UA", "macro_F1")


class ReportError(ValueError):
    """Results that cannot stand in one table, or none at all."""


@dataclass(frozen=True)
class Run:
    """One run's files.

    Arguments
    ---------
    folder : Path
        Where they are.
    results : dict
        Of ``results.json``.
    predictions : list of dict
        The rows of ``predictions.csv``.
    """

    folder: Path
    results: dict[str, Any]
    predictions: list[dict[str, str]]

    @property
    def key(self) -> tuple[int, int]:
        """(fold, seed)"""
        return self.results["fold"], self.results["seed"]


@dataclass
class Variant:
    """All runs of a variant: folds x seeds, alike in everything else.

    Arguments
    ---------
    name : str
        The variant's.
    labels : list of str
        The classes in order.
    runs : list of Run
        By fold and seed.
    """

    name: str
    labels: list[str]
    runs: list[Run]

    @cached_property
    def folds(self) -> dict[str, dict[str, float]]:
        """Each fold's scores, means over the seeds, by the fold's name."""
        found = defaultdict(list)
        for run in self.runs:
            found[run.results["fold_name"]].append(run.results)
        return {
            name: {s: float(np.mean([r[s] for r in results])) for s in SCORES}
            for name, results in found.items()
        }

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The predictions of all runs."""
        return [row for run in self.runs for row in run.predictions]

    @cached_property
    def truths(self) -> list[int]:
        """Class indices, a row each."""
        return [self.labels.index(row["label"]) for row in self.rows]

    @cached_property
    def guesses(self) -> list[int]:
        """Class indices, a row each."""
        return [self.labels.index(row["prediction"]) for row in self.rows]

    @cached_property
    def log_probabilities(self) -> np.ndarray:
        """[rows, classes]"""
        return np.array([[float(row[label]) for label in self.labels] for row in self.rows])

    @cached_property
    def pooled(self) -> dict[str, Any]:
        """``metrics.scores`` over all rows."""
        return scores(self.truths, self.guesses, self.labels)

    def column(self, name: str) -> list[str]:
        """A column of the predictions, a row each."""
        return [row[name] for row in self.rows]

    @property
    def settings(self) -> dict[str, Any]:
        """What its runs share, the fold and the seed apart."""
        return self.runs[0].results["settings"]


@dataclass
class Section:
    """One corpus under one protocol and one selection: what may stand in one table.

    Arguments
    ---------
    corpus, protocol, selection : str
        What the runs share.
    labels : list of str
        The classes in order.
    variants : dict of str to Variant
        By name, in order.
    """

    corpus: str
    protocol: str
    selection: str
    labels: list[str]
    variants: dict[str, Variant] = field(default_factory=dict)

    @property
    def fold_names(self) -> list[str]:
        """Every fold that any variant has, in order."""
        named = {run.results["fold"]: run.results["fold_name"] for run in self.all_runs}
        return [named[number] for number in sorted(named)]

    @property
    def rows(self) -> list[dict[str, str]]:
        """The predictions of all variants."""
        return [row for variant in self.variants.values() for row in variant.rows]

    @property
    def all_runs(self) -> list[Run]:
        """The runs of all variants."""
        return [run for variant in self.variants.values() for run in variant.runs]


def collect(folders: Iterable[str | Path]) -> list[Section]:
    """Read every run below some folders.

    Raises
    ------
    ReportError
        If there is none, one is damaged, or two differ that would share a row or a table; the
        message names all such files and what they differ in.
    """
    runs = [_read(path) for folder in folders for path in _below(Path(folder))]
    if not runs:
        raise ReportError(f"no results.json below {', '.join(str(f) for f in folders)}")
    sections: dict[tuple, Section] = {}
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
            sections[where] = Section(named[0], protocol, named[2], first.results["labels"])
        section = sections[where]
        problems += _unlike((section.all_runs or [first])[0], mine)
        section.variants[name] = Variant(name, section.labels, sorted(mine, key=lambda r: r.key))
    for section in sections.values():
        section.variants = dict(sorted(section.variants.items(), key=lambda v: _order(v[1])))
    if problems:
        raise ReportError("these results do not belong together:\n  " + "\n  ".join(problems))
    return [sections[where] for where in sorted(sections, key=str)]


def _order(variant: Variant) -> tuple:
    """As in Table 2: single modalities, concatenations, co-attention; then other systems."""
    row = row_name(variant.settings)
    if row is None:
        return 3, 0, 0, variant.name
    known = list(TABLE_2).index(row) if row in TABLE_2 else len(TABLE_2)
    return int("w/ co-att" in row), row.count("+"), known, variant.name


def _below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("results.json"))


def _read(path: Path) -> Run:
    results = read_results(path)
    try:
        predictions = read_predictions(path.with_name("predictions.csv"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path.with_name('predictions.csv')}: {error}") from error
    if len(predictions) != results["num_utterances"]:
        raise ResultsError(
            f"{path.with_name('predictions.csv')} has {len(predictions)} rows, results.json "
            f"{results['num_utterances']} utterances; delete both and run again"
        )
    return Run(path.parent, results, predictions)


def _unlike(first: Run, mine: Sequence[Run]) -> list[str]:
    """What keeps runs of one variant, and the section's first run, from sharing a table."""
    problems, seen = [], {}
    for run in mine:
        for name in ("labels", "manifest"):
            problems += _difference(first, run, name, first.results[name], run.results[name])
        one, other = (_shared(r.results["settings"]) for r in (mine[0], run))
        for name in sorted({*one, *other}):
            problems += _difference(mine[0], run, name, one.get(name), other.get(name))
        if seen.setdefault(run.key, run) is not run:
            problems.append(f"{seen[run.key].folder} and {run.folder} are the same fold and seed")
    return problems


def _difference(one: Run, other: Run, name: str, value: Any, found: Any) -> list[str]:
    if value == found:
        return []
    return [f"{one.folder} and {other.folder} differ in {name}: {value!r}, {found!r}"]


def _shared(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in ("fold", "seed")}
