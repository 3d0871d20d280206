"""The interface of every back end, and the classifier that it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np


class LinearClassifier(NamedTuple):
    """The log-probabilities of a vector x: log-softmax of ``weight @ (x - center) + bias``.

    Without ``center``, float32 would lose digits where features lie far from zero.

    Attributes
    ----------
    weight : array
        [classes, features]
    bias : array
        [classes]
    center : array
        [features], e.g. the mean of the training vectors.
    chosen : mapping
        What the fit has chosen, such as a regularization, as plain values for ``results.json``.
    """

    weight: np.ndarray
    bias: np.ndarray
    center: np.ndarray
    chosen: Mapping[str, Any] = {}

    def log_probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """[utterances, features] -> [utterances, classes]"""
        scores = (vectors - self.center) @ self.weight.T + self.bias
        scores = scores - scores.max(axis=1, keepdims=True)
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


class BackEnd:
    """Fits a linear classifier to the vectors of the training utterances, without epochs.

    The vectors are the pooled frames of frozen encoders, means over the segments of an utterance.
    What is not linear belongs into a fusion or an encoder. A subclass defines ``fit``.

    Attributes
    ----------
    expected_failures : mapping of str to str
        The checks of ``camser.testing`` that this class cannot pass, each with its reason.
    origin : mapping
        The plugin's origin, see ``registry.origin_of``; empty if ``build_back_end`` did not build
        it.
    """

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
        """
        raise NotImplementedError
