"""Logistic regression on standardized vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from camser.back_ends.base import BackEnd, LinearClassifier
from camser.config.schema import INNER_FOLDS

CANDIDATES = tuple(float(c) for c in np.logspace(-4, 1, 11).round(6))  # of C
NUM_INNER_FOLDS = 5
# A feature that varies less than this share of its mean is constant but for float32's rounding,
# which differs between machines; standardized, it would be noise of full size.
MIN_SPREAD = 1e-4


class Logistic(BackEnd):
    """Multinomial logistic regression (scikit-learn's) on standardized vectors.

    Features that are constant up to rounding are not used.

    Arguments
    ---------
    C : float or "inner_folds"
        The inverse of the regularization: small values regularize strongly. With "inner_folds",
        the best of ``CANDIDATES`` by a cross-validation over the training speakers: that of the
        largest mean log-likelihood in which all classes count alike.
    class_weights : str or None
        "balanced", so that all classes count alike, or None: all utterances do.
    max_iter : int
        Iterations of the solver, if it does not converge before.

    Raises
    ------
    ValueError
        If an argument is not allowed. In ``fit``: if the speakers cannot be divided.

    Example
    -------
    >>> labels = np.array([0, 1] * 20)
    >>> vectors = np.random.default_rng(0).normal(size=(40, 3)) + 4 * labels[:, None]
    >>> classifier = Logistic().fit(vectors, labels, ["a", "b"] * 20)
    >>> bool((classifier.log_probabilities(vectors).argmax(axis=1) == labels).mean() > 0.9)
    True
    """

    def __init__(
        self,
        C: float | str = 0.01,
        class_weights: str | None = "balanced",
        max_iter: int = 5000,
    ) -> None:
        is_number = isinstance(C, (int, float)) and not isinstance(C, bool) and C > 0
        if C != INNER_FOLDS and not is_number:
            raise ValueError(f"C is {C!r}; allowed: a number above 0, or {INNER_FOLDS}")
        if class_weights not in ("balanced", None):
            raise ValueError(f"class_weights is {class_weights!r}; allowed: balanced, null")
        if type(max_iter) is not int or max_iter < 1:
            raise ValueError(f"max_iter is {max_iter!r}; it must be a whole number, 1 or more")
        self.C, self.class_weights, self.max_iter = C, class_weights, max_iter

    def fit(
        self, vectors: np.ndarray, labels: np.ndarray, speakers: Sequence[str]
    ) -> LinearClassifier:
        """See ``BackEnd.fit``."""
        chosen: dict[str, Any] = {"C": self.C}
        if self.C == INNER_FOLDS:
            likelihoods = self.inner_log_likelihoods(vectors, labels, speakers)
            best = max(likelihoods, key=likelihoods.__getitem__)
            scores = [[c, likelihood] for c, likelihood in likelihoods.items()]
            chosen = {"C": best, "inner_log_likelihoods": scores}
        return self._fit(vectors, labels, chosen["C"])._replace(chosen=chosen)

    def inner_log_likelihoods(
        self, vectors: np.ndarray, labels: np.ndarray, speakers: Sequence[str]
    ) -> dict[float, float]:
        """The mean log-likelihood of held-out speakers by C; arguments as for ``fit``."""
        held_out = list(inner_folds(labels, speakers))
        weights = 1 / np.bincount(labels)[labels]
        found = {}
        for c in CANDIDATES:
            likelihoods = np.empty(len(labels))
            for train, valid in held_out:
                classifier = self._fit(vectors[train], labels[train], c)
                scores = classifier.log_probabilities(vectors[valid])
                likelihoods[valid] = scores[np.arange(len(valid)), labels[valid]]
            found[c] = float(np.average(likelihoods, weights=weights))
        return found

    def _fit(self, vectors: np.ndarray, labels: np.ndarray, c: float) -> LinearClassifier:
        center, deviation = vectors.mean(axis=0), vectors.std(axis=0)
        is_constant = deviation <= MIN_SPREAD * np.abs(center)
        scale = np.where(is_constant, 0.0, 1 / np.where(is_constant, 1.0, deviation))
        model = LogisticRegression(C=c, class_weight=self.class_weights, max_iter=self.max_iter)
        model.fit((vectors - center) * scale, labels)
        weight, bias = model.coef_ * scale, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn's are the log-odds of the second class
            weight, bias = np.concatenate([-weight, weight]) / 2, np.append(-bias, bias) / 2
        return LinearClassifier(weight, bias, center)


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
        Of folds; fewer if there are fewer speakers.

    Raises
    ------
    ValueError
        If there is only one speaker, or a fold would train without a class.
    """
    number = min(number, len(set(speakers)))
    if number < 2:
        raise ValueError("inner folds need two speakers, but all are of one; give a number for C")
    for train, valid in StratifiedGroupKFold(number).split(labels, labels, speakers):
        if missing := {*labels.tolist()} - {*labels[train].tolist()}:
            raise ValueError(
                f"an inner fold would train without the class of index {min(missing)}, which too "
                f"few speakers have; give a number for C"
            )
        yield train, valid
