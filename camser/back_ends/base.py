"""The interface of every back end, and the classifier that it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np


class BackEndError(ValueError):
    """The training utterances do not suffice for a fit; the message says what to change."""


class HiddenLayer(NamedTuple):
    """Units of a vector x: the sigmoid of ``weight @ x + bias``.

    Attributes
    ----------
    weight : array
        [units, features]
    bias : array
        [units]
    """

    weight: np.ndarray
    bias: np.ndarray

    def units(self, vectors: np.ndarray) -> np.ndarray:
        """[utterances, features] -> [utterances, units]"""
        return 0.5 + 0.5 * np.tanh(0.5 * (vectors @ self.weight.T + self.bias))


class LinearClassifier(NamedTuple):
    """The log-probabilities of a vector x: log-softmax of ``weight @ (x - center) + bias``.

    If there is a hidden layer, ``weight`` applies to its units, and the layer to ``x - center``.
    Without ``center``, float32 would lose digits where features lie far from zero.

    Attributes
    ----------
    weight : array
        [classes, features], or [classes, units]
    bias : array
        [classes]
    center : array
        [features], e.g. the mean of the training vectors.
    chosen : mapping
        What the fit has chosen, such as a regularization, as plain values for ``results.json``.
    hidden : HiddenLayer, optional
        See above.
    """

    weight: np.ndarray
    bias: np.ndarray
    center: np.ndarray
    chosen: Mapping[str, Any] = {}
    hidden: HiddenLayer | None = None

    def log_probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """[utterances, features] -> [utterances, classes]"""
        centered = vectors - self.center
        inputs = self.hidden.units(centered) if self.hidden else centered
        scores = inputs @ self.weight.T + self.bias
        scores = scores - scores.max(axis=1, keepdims=True)
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


class BackEnd:
    """Fits a classifier to the vectors of the training utterances, without epochs.

    The vectors are means over the segments of an utterance: of the pooled frames of frozen encoders
    or, with ``back_end_after_training``, of a trained fusion's ``back_end_vector``. The classifier
    is linear, or has one hidden layer. A subclass defines ``fit``.

    Attributes
    ----------
    hidden_size : int or None
        Units of the classifier's hidden layer; None: it is linear.
    expected_failures : mapping of str to str
        The checks of ``camser.testing`` that this class cannot pass, each with its reason.
    origin : mapping
        The plugin's origin, see ``registry.origin_of``; empty if ``build_back_end`` did not build
        it.
    """

    hidden_size: int | None = None
    expected_failures: Mapping[str, str] = MappingProxyType({})
    origin: Mapping[str, str] = MappingProxyType({})

    def fit(
        self, vectors: np.ndarray, labels: np.ndarray, speakers: Sequence[str]
    ) -> LinearClassifier:
        """Fit the classifier.

        Arguments
        ---------
        vectors : array
            [utterances, features], float64, of any size, not standardized.
        labels : array
            [utterances], class indices from 0; every class occurs.
        speakers : sequence of str
            The speaker of each utterance, or its file where that is unknown. A choice by inner
            folds divides them, so that it does not see the speakers on whom it is scored.

        Raises
        ------
        BackEndError
            If these utterances do not suffice. A run ends with its message, without a traceback.
        """
        raise NotImplementedError
