"""Back ends with one number, C, that training speakers may choose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from camser.back_ends.base import BackEnd, BackEndError, LinearClassifier
from camser.config.schema import INNER_FOLDS

NUM_INNER_FOLDS = 5


class RegularizedBackEnd(BackEnd):
    """A back end that fits with a given C, the inverse of a regularization, or chooses it.

    A subclass defines ``fit_with`` and ``CANDIDATES``. The choice is a cross-validation over the
    training speakers; the first of the candidates with the best ``criterion`` is taken.

    Arguments
    ---------
    C : float or "inner_folds"
        A number, or that it is chosen.

    Raises
    ------
    ValueError
        If C is neither. In ``fit``: if the speakers cannot be divided.

    Attributes
    ----------
    CANDIDATES : tuple of float
        The numbers to choose from, in their order.
    criterion_name : str
        What ``chosen`` calls the criterion.
    """

    CANDIDATES: tuple[float, ...]
    criterion_name = "inner_UA"

    def __init__(self, C: float | str) -> None:
        is_number = isinstance(C, (int, float)) and not isinstance(C, bool) and 0 < C < math.inf
        if C != INNER_FOLDS and not is_number:
            raise ValueError(f"C is {C!r}; allowed: a finite number above 0, or {INNER_FOLDS}")
        self.C = C

    def fit_with(self, vectors: np.ndarray, labels: np.ndarray, c: float) -> LinearClassifier:
        """Fit with this C; the other arguments as for ``fit``."""
        raise NotImplementedError

    @staticmethod
    def criterion(scores: np.ndarray, labels: np.ndarray) -> float:
        """The unweighted accuracy of log-probabilities [utterances, classes] of held-out speakers.

        Example
        -------
        >>> scores = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
        >>> RegularizedBackEnd.criterion(scores, np.array([0, 0, 1]))
        0.5
        """
        return float(np.average(scores.argmax(axis=1) == labels, weights=balance(labels)))

    def fit(
        self, vectors: np.ndarray, labels: np.ndarray, speakers: Sequence[str]
    ) -> LinearClassifier:
        """See ``BackEnd.fit``."""
        if not isinstance(self.C, str):
            return self.fit_with(vectors, labels, self.C)._replace(chosen={"C": self.C})
        folds = list(inner_folds(labels, speakers))
        found: dict[float, float] = {}
        for candidate in self.CANDIDATES:
            scores = np.empty((len(labels), labels.max() + 1))
            for train, valid in folds:
                classifier = self.fit_with(vectors[train], labels[train], candidate)
                scores[valid] = classifier.log_probabilities(vectors[valid])
            found[candidate] = self.criterion(scores, labels)
        best = max(found, key=found.__getitem__)
        chosen: dict[str, Any] = {"C": best}
        chosen[self.criterion_name] = [[c, value] for c, value in found.items()]
        return self.fit_with(vectors, labels, best)._replace(chosen=chosen)


def balance(labels: np.ndarray) -> np.ndarray:
    """Weights of utterances with which all classes count alike."""
    return 1 / np.bincount(labels)[labels]


def inner_folds(
    labels: np.ndarray, speakers: Sequence[str], number: int = NUM_INNER_FOLDS
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Train and validation indices of a cross-validation that divides no speaker.

    Arguments
    ---------
    labels : array
        [utterances], class indices.
    speakers : sequence of str
        The speaker of each utterance.
    number : int
        Of folds; fewer if there are fewer speakers, or fewer utterances of every class.

    Raises
    ------
    BackEndError
        If there is only one speaker, or a fold would train without a class.
    """
    if len(set(speakers)) < 2:
        raise BackEndError("inner folds need two speakers, but all are of one; give a number for C")
    most = int(np.bincount(labels).max())  # scikit-learn takes no more folds
    number = min(number, len(set(speakers)), max(2, most))
    for train, valid in StratifiedGroupKFold(number).split(labels, labels, speakers):
        if missing := {*labels.tolist()} - {*labels[train].tolist()}:
            raise BackEndError(
                f"an inner fold would train without the class of index {min(missing)}, which too "
                f"few speakers have; give a number for C"
            )
        yield train, valid
