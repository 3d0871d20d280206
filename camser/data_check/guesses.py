"""Labels that a classifier of other speakers finds unlikely: candidates of wrong labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from camser.back_ends.logistic import Logistic
from camser.back_ends.regularized import inner_folds
from camser.data.protocols import unit_of
from camser.data_check.association import Association
from camser.data_check.finding import MAX_EXAMPLES, Finding, of_all, percent
from camser.data_check.recording import Recording, grouped

NUM_FOLDS = 10
MIN_UNITS = 5  # speakers of a class, or files where they are unknown; others are left out
UNLIKELY = 0.05  # probability of a label


class Guesses(NamedTuple):
    """What a classifier says of recordings that it was not trained on.

    Arguments
    ---------
    recordings : sequence of Recording
        Those that are not silent, of classes that enough speakers have.
    classes : list of str
        In order.
    probabilities : array
        [recordings, classes]
    """

    recordings: Sequence[Recording]
    classes: list[str]
    probabilities: np.ndarray

    @property
    def others(self) -> str:
        """What the classifier was trained on."""
        return f"other {'speakers' if all(r.speaker for r in self.recordings) else 'files'}"

    @property
    def labels(self) -> np.ndarray:
        """[recordings], the index of each label."""
        return np.array([self.classes.index(r.emotion) for r in self.recordings])

    @property
    def of_label(self) -> np.ndarray:
        """[recordings], the probability of each label."""
        return self.probabilities[np.arange(len(self.recordings)), self.labels]

    @property
    def confusion(self) -> np.ndarray:
        """[classes, classes], labels by guesses."""
        counts = np.zeros((len(self.classes),) * 2, dtype=int)
        np.add.at(counts, (self.labels, self.probabilities.argmax(axis=1)), 1)
        return counts

    @property
    def association(self) -> Association:
        """How well the labels are guessed."""
        guesses = np.eye(len(self.classes))[self.probabilities.argmax(axis=1)]
        return Association.of(guesses, self.labels, self.classes)

    def unlikely(self) -> list[tuple[Recording, str, float, float]]:
        """Recording, guess, its probability and that of the label: the least likely first."""
        order = np.argsort(self.of_label, kind="stable")
        best, own = self.probabilities.argmax(axis=1), self.of_label
        return [
            (self.recordings[i], self.classes[best[i]], float(self.probabilities[i, best[i]]),
             float(own[i]))
            for i in order if own[i] < UNLIKELY
        ]  # fmt: skip


def guess(recordings: Sequence[Recording]) -> tuple[Guesses | None, str]:
    """Guess each label by a logistic regression that knows other speakers, or other files.

    Returns
    -------
    Guesses or None
    str
        Why there are none.
    """
    read = [r for r in recordings if r.vector is not None and r.measures and r.measures.peak]
    units_of_class = grouped(read, lambda r: r.emotion)
    classes = sorted(
        name
        for name, rows in units_of_class.items()
        if len({unit_of(r.utterance) for r in rows}) >= MIN_UNITS
    )
    if len(classes) < 2:
        return None, f"fewer than two classes are of {MIN_UNITS} speakers and more"
    rows = [r for r in read if r.emotion in classes]
    vectors = np.array([r.vector for r in rows], float)
    labels = np.array([classes.index(r.emotion) for r in rows])
    units = [unit_of(r.utterance) for r in rows]
    log_probabilities = np.zeros((len(rows), len(classes)))
    try:
        for train, test in inner_folds(labels, units, NUM_FOLDS):
            fitted = Logistic().fit(vectors[train], labels[train], ())
            log_probabilities[test] = fitted.log_probabilities(vectors[test])
    except ValueError:
        return None, "the speakers of some class cannot be divided"
    return Guesses(rows, classes, np.exp(log_probabilities)), ""


def find(guesses: Guesses) -> Iterator[Finding]:
    """The labels that are unlikely, if the guesses are better than chance."""
    unlikely, association = guesses.unlikely(), guesses.association
    if not unlikely or not association.best[1].is_significant:
        return
    shown = [
        f"{r.name}: labeled {r.emotion} ({percent(own, 1)}), guessed {name} ({percent(best)})"
        for r, name, best, own in unlikely
    ]
    yield Finding(
        "unlikely labels", "check",
        f"A classifier of {guesses.others} gives the label of "
        f"{of_all(len(unlikely), len(guesses.recordings))} less than {percent(UNLIKELY)}; it "
        f"guesses {percent(association.accuracy)} of all right (UA). {shown[0]}.",
        "listen to them; most may be hard rather than wrong",
        {"recordings": len(unlikely), "accuracy": association.accuracy}, shown[:MAX_EXAMPLES],
    )  # fmt: skip
