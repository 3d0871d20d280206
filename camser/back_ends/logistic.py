"""Logistic regression on standardized vectors."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from camser.back_ends.linear import LinearBackEnd
from camser.back_ends.regularized import balance


class Logistic(LinearBackEnd):
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

    CANDIDATES = tuple(float(c) for c in np.logspace(-4, 1, 11).round(6))
    criterion_name = "inner_log_likelihoods"
    factor_of_two = 0.5  # of the log-odds

    def __init__(
        self,
        C: float | str = 0.01,
        class_weights: str | None = "balanced",
        max_iter: int = 5000,
    ) -> None:
        super().__init__(C, class_weights, max_iter)

    @staticmethod
    def criterion(scores: np.ndarray, labels: np.ndarray) -> float:
        """The mean log-likelihood of held-out speakers, in which all classes count alike."""
        likelihoods = scores[np.arange(len(labels)), labels]
        return float(np.average(likelihoods, weights=balance(labels)))

    def solver(self, c: float) -> LogisticRegression:
        """See ``LinearBackEnd``."""
        return LogisticRegression(C=c, class_weight=self.class_weights, max_iter=self.max_iter)
