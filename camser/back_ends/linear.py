"""Linear classifiers of scikit-learn as back ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from camser.back_ends.base import LinearClassifier
from camser.back_ends.regularized import RegularizedBackEnd
from camser.back_ends.standardization import standardization


class LinearBackEnd(RegularizedBackEnd):
    """A linear classifier of scikit-learn, fitted to standardized vectors.

    A subclass defines ``solver``, ``factor_of_two`` and ``CANDIDATES``, and explains the arguments.

    Attributes
    ----------
    factor_of_two : float
        Of two classes, scikit-learn has one value; this share of it, and its negative, are the
        scores.
    """

    factor_of_two: float

    def __init__(self, C: float | str, class_weights: str | None, max_iter: int) -> None:
        super().__init__(C)
        if class_weights not in ("balanced", None):
            raise ValueError(f"class_weights is {class_weights!r}; allowed: balanced, null")
        if type(max_iter) is not int or max_iter < 1:
            raise ValueError(f"max_iter is {max_iter!r}; it must be a whole number, 1 or more")
        self.class_weights, self.max_iter = class_weights, max_iter

    def solver(self, c: float) -> Any:
        """The classifier of scikit-learn with this C."""
        raise NotImplementedError

    def fit_with(self, vectors: np.ndarray, labels: np.ndarray, c: float) -> LinearClassifier:
        """See ``RegularizedBackEnd``."""
        center, scale = standardization(vectors)
        model = self.solver(c).fit((vectors - center) * scale, labels)
        weight, bias = model.coef_ * scale, model.intercept_
        if len(model.classes_) == 2:
            weight, bias = (
                np.concatenate([-values, values]) * self.factor_of_two for values in (weight, bias)
            )
        return LinearClassifier(weight, bias, center)
