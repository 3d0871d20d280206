"""The data of a report: runs, their variants, and sections of variants."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from camser.evaluation import statistics
from camser.evaluation.metrics import scores

SCORES = ("WA", "UA", "macro_F1")


@dataclass(frozen=True)
class RunRecord:
    """One run's files.

    Arguments
    ---------
    folder : Path
        The folder of the run.
    results : dict
        The content of ``results.json``.
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
class VariantResults:
    """All runs of a variant: folds x seeds, with equal settings otherwise.

    Arguments
    ---------
    name : str
        The name of the variant.
    labels : list of str
        The classes in order.
    runs : list of RunRecord
        Sorted by fold and seed.
    """

    name: str
    labels: list[str]
    runs: list[RunRecord]

    @cached_property
    def folds(self) -> dict[str, dict[str, float]]:
        """The scores of each fold, averaged over the seeds, by fold name."""
        by_fold = defaultdict(list)
        for run in self.runs:
            by_fold[run.results["fold_name"]].append(run.results)
        return {
            name: {s: float(np.mean([r[s] for r in results])) for s in SCORES}
            for name, results in by_fold.items()
        }

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The predictions of all runs."""
        return [row for run in self.runs for row in run.predictions]

    @cached_property
    def truths(self) -> list[int]:
        """The true class indices, one per row."""
        return [self.labels.index(row["label"]) for row in self.rows]

    @cached_property
    def guesses(self) -> list[int]:
        """The predicted class indices, one per row."""
        return [self.labels.index(row["prediction"]) for row in self.rows]

    @cached_property
    def log_probabilities(self) -> np.ndarray:
        """[rows, classes]"""
        return np.array([[float(row[label]) for label in self.labels] for row in self.rows])

    @cached_property
    def pooled(self) -> dict[str, Any]:
        """``metrics.scores`` over all rows."""
        return scores(self.truths, self.guesses, self.labels)

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """See ``statistics.bootstrap``."""
        speakers = self.column("speaker")
        return statistics.bootstrap(self.truths, self.guesses, speakers, len(self.labels))

    def column(self, name: str) -> list[str]:
        """A column of the predictions, one value per row."""
        return [row[name] for row in self.rows]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the variant; fold and seed are those of its first run."""
        return self.runs[0].results["settings"]


@dataclass
class ProtocolResults:
    """The variants of one corpus, protocol and selection; they may share one table.

    Arguments
    ---------
    corpus, protocol, selection : str
        Equal in all runs.
    labels : list of str
        The classes in order.
    variants : dict of str to VariantResults
        By name, in order.
    """

    corpus: str
    protocol: str
    selection: str
    labels: list[str]
    variants: dict[str, VariantResults] = field(default_factory=dict)

    @property
    def fold_names(self) -> list[str]:
        """Every fold that any variant has, in order."""
        names = {run.results["fold"]: run.results["fold_name"] for run in self.all_runs}
        return [names[number] for number in sorted(names)]

    @property
    def main(self) -> VariantResults:
        """The main variant: the last with ``target`` and no ``keep``, else the last of camser."""
        ours = [v for v in self.variants.values() if "fusions" in v.settings]
        fusions = {v.name: v.settings["fusions"][v.settings["fusion"]] for v in ours}
        full = [
            v
            for v in ours
            if "target" in fusions[v.name] and not fusions[v.name].get("output_modalities")
        ]
        return (full or ours or list(self.variants.values()))[-1]

    @property
    def all_runs(self) -> list[RunRecord]:
        """The runs of all variants."""
        return [run for variant in self.variants.values() for run in variant.runs]
