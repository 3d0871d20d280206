"""A linear support vector machine on standardized vectors."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from camser.back_ends.base import LinearClassifier
from camser.back_ends.linear import LinearBackEnd


class SVM(LinearBackEnd):
    """A linear support vector machine (scikit-learn's, one class against the rest).

    Its scores are distances, not logarithms of probabilities; an export calibrates them if the run
    has a validation split that suffices.

    Arguments
    ---------
    C : float or "inner_folds"
        The inverse of the regularization: small values regularize strongly. With "inner_folds",
        the smallest of ``CANDIDATES`` with the best unweighted accuracy in a cross-validation over
        the training speakers.
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
    >>> classifier = SVM().fit(vectors, labels, ["a", "b"] * 20)
    >>> bool((classifier.log_probabilities(vectors).argmax(axis=1) == labels).mean() > 0.9)
    True
    """

    CANDIDATES = tuple(float(c) for c in np.logspace(-5, 0, 11).round(7))
    factor_of_two = 1.0  # of the distance to the second class

    def __init__(
        self,
        C: float | str = 0.001,
        class_weights: str | None = "balanced",
        max_iter: int = 5000,
    ) -> None:
        super().__init__(C, class_weights, max_iter)

    def solver(self, c: float) -> LinearSVC:
        """See ``LinearBackEnd``."""
        options = {"class_weight": self.class_weights, "max_iter": self.max_iter}
        return LinearSVC(C=c, dual="auto", random_state=0, **options)

    def fit_with(self, vectors: np.ndarray, labels: np.ndarray, c: float) -> LinearClassifier:
        """See ``RegularizedBackEnd``."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter says when it ends
            return super().fit_with(vectors, labels, c)
