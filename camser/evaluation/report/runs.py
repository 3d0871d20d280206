"""The data of a report: runs, their variants, and sections of variants."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from camser.data.folds import OPTIMISTIC, SHARED_SPEAKERS, UNKNOWN_SPEAKERS
from camser.evaluation import bootstrap
from camser.evaluation.metrics import scores
from camser.evaluation.results import read_scores

SCORES = ("WA", "UA", "macro_F1")
RULES = {"test_fold": OPTIMISTIC, "none": "number of epochs fixed beforehand"}


@dataclass(frozen=True)
class RunRecord:
    """One run: its folder, the content of ``results.json``, the rows of ``predictions.csv``."""

    folder: Path
    results: dict[str, Any]
    predictions: list[dict[str, str]]

    @property
    def key(self) -> tuple[int, int]:
        """(fold, seed)"""
        return self.results["fold"], self.results["seed"]

    @property
    def test_to_train(self) -> float:
        """The size of the test split over that of the training split."""
        return self.results["parts"]["test"] / self.results["parts"]["train"]


@dataclass
class VariantResults:
    """All runs of a variant, sorted by fold and seed; their settings are equal otherwise."""

    name: str
    runs: list[RunRecord]

    @property
    def labels(self) -> list[str]:
        """The classes, in order."""
        return self.runs[0].results["labels"]

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
        return [self.labels.index(label) for label in self.column("label")]

    @cached_property
    def guesses(self) -> list[int]:
        """The predicted class indices, one per row."""
        return [self.labels.index(label) for label in self.column("prediction")]

    @cached_property
    def log_probabilities(self) -> np.ndarray:
        """[rows, classes]"""
        return read_scores(self.rows, self.labels)[0]

    @cached_property
    def pooled(self) -> dict[str, Any]:
        """``metrics.scores`` over all rows."""
        return scores(self.truths, self.guesses, self.labels)

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """See ``bootstrap.bootstrap``."""
        speakers = self.column("speaker")
        return bootstrap.bootstrap(self.truths, self.guesses, speakers, len(self.labels))

    def column(self, name: str) -> list[str]:
        """A column of the predictions, one value per row."""
        return [row[name] for row in self.rows]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the variant; fold and seed are those of its first run."""
        return self.runs[0].results["settings"]

    @property
    def fusion(self) -> dict[str, Any]:
        """The settings of the fusion; empty for other systems."""
        return self.settings.get("fusions", {}).get(self.settings.get("fusion"), {})


@dataclass
class ProtocolResults:
    """The variants, by name, of one corpus, protocol and selection; they may share one table."""

    corpus: str
    protocol: str
    selection: str
    variants: dict[str, VariantResults]

    @property
    def labels(self) -> list[str]:
        """The classes, in order; those of every variant."""
        return next(iter(self.variants.values())).labels

    @property
    def title(self) -> str:
        """The corpus, the protocol, how the epoch was selected, and what is known of speakers."""
        note = "" if self.speakers_known else f", {UNKNOWN_SPEAKERS}"
        if any(run.results.get("shared_speakers") for run in self.all_runs):
            note += f", {SHARED_SPEAKERS}"
        return f"{self.corpus}, {self.protocol.replace('_', ' ')}, {self.selection_rule}{note}"

    @property
    def speakers_known(self) -> bool:
        """Whether every utterance's speaker is known; earlier versions trained on no others."""
        return all(run.results.get("speakers_known", True) for run in self.all_runs)

    @property
    def selection_rule(self) -> str:
        """How the epoch was selected."""
        if any(run.results.get("inner_folds") for run in self.all_runs):
            return "number of epochs fixed beforehand or chosen by inner folds"
        return RULES.get(self.selection, "epoch chosen on held-out data")

    @property
    def num_folds(self) -> int | None:
        """The number of folds of the protocol; None if no run records it."""
        counts = (run.results.get("num_protocol_folds") for run in self.all_runs)
        return next((count for count in counts if count), None)

    def folds_of(self, variant: VariantResults) -> str:
        """How many of the folds a variant has."""
        return f"{len(variant.folds)} of {self.num_folds or 'an unknown number of'} folds"

    @property
    def fold_names(self) -> list[str]:
        """Every fold that any variant has, in order."""
        names = {run.results["fold"]: run.results["fold_name"] for run in self.all_runs}
        return [names[number] for number in sorted(names)]

    @property
    def main(self) -> VariantResults:
        """The last variant with a ``target`` that puts out all, else the last of camser's."""
        ours = [v for v in self.variants.values() if v.fusion]
        full = [v for v in ours if "target" in v.fusion and not v.fusion.get("output_modalities")]
        return (full or ours or list(self.variants.values()))[-1]

    @property
    def all_runs(self) -> list[RunRecord]:
        """The runs of all variants."""
        return [run for variant in self.variants.values() for run in variant.runs]
