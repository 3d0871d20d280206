"""An extreme learning machine: a random hidden layer, and a ridge regression on it."""

from __future__ import annotations

import numpy as np

from camser.back_ends.base import HiddenLayer, LinearClassifier
from camser.back_ends.regularized import RegularizedBackEnd
from camser.back_ends.standardization import standardization
from camser.config.schema import INNER_FOLDS


class ELM(RegularizedBackEnd):
    """An extreme learning machine (Huang et al., 2006) on standardized vectors.

    With random weights W and biases b, the units are H = sigmoid(X W + b). The scores are H beta,

        beta = (H^T H + I / C)^-1 H^T T

    the ridge regression of the classes T, one-hot, on the units. The weights of a unit are normal
    with the variance 1 / features, its bias is standard normal, so units are not saturated.

    Arguments
    ---------
    hidden_size : int
        Units; 120 after Han et al., Interspeech 2014.
    C : float or "inner_folds"
        The inverse of the regularization. With "inner_folds", the smallest of ``CANDIDATES`` with
        the best unweighted accuracy in a cross-validation over the training speakers.
    seed : int
        Of the random weights.

    Raises
    ------
    ValueError
        If an argument is not allowed. In ``fit``: if the speakers cannot be divided.

    Example
    -------
    >>> labels = np.array([0, 1] * 20)
    >>> vectors = np.random.default_rng(0).normal(size=(40, 3)) + 4 * labels[:, None]
    >>> classifier = ELM(hidden_size=8, C=1.0).fit(vectors, labels, ["a", "b"] * 20)
    >>> bool((classifier.log_probabilities(vectors).argmax(axis=1) == labels).mean() > 0.9)
    True
    """

    CANDIDATES = tuple(float(2.0**n) for n in range(-10, 11, 2))

    def __init__(self, hidden_size: int = 120, C: float | str = INNER_FOLDS, seed: int = 0) -> None:
        super().__init__(C)
        if type(hidden_size) is not int or hidden_size < 1:
            raise ValueError(f"hidden_size is {hidden_size!r}; it must be a whole number from 1 on")
        if type(seed) is not int or seed < 0:
            raise ValueError(f"seed is {seed!r}; it must be a whole number from 0 on")
        self.hidden_size: int = hidden_size
        self.seed = seed

    def fit_with(self, vectors: np.ndarray, labels: np.ndarray, c: float) -> LinearClassifier:
        """See ``RegularizedBackEnd``."""
        center, scale = standardization(vectors)
        size, generator = vectors.shape[1], np.random.default_rng(self.seed)
        weight = generator.normal(size=(self.hidden_size, size)) / np.sqrt(size) * scale
        hidden = HiddenLayer(weight, generator.normal(size=self.hidden_size))
        units = hidden.units(vectors - center)
        targets = np.eye(labels.max() + 1)[labels]
        gram = units.T @ units + np.eye(self.hidden_size) / c
        beta = np.linalg.solve(gram, units.T @ targets)
        return LinearClassifier(beta.T, np.zeros(targets.shape[1]), center, hidden=hidden)
