"""A temperature that makes confidence mean accuracy (Guo et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(rows: Sequence[Mapping[str, str]], labels: Sequence[str]) -> dict[str, Any]:
    """The temperature that makes the labels of some utterances likeliest.

    The log-probabilities are divided by it and normalised again, so no decision changes.

    Arguments
    ---------
    rows : sequence of dict
        Of a ``predictions.csv``: the label and a log-probability a class.
    labels : sequence of str
        The classes, in order.

    Returns
    -------
    dict
        ``temperature``; ``utterances``, how many it was fitted on; ``nll_before`` and
        ``nll_after``, their mean negative log-likelihood in nats.

    Example
    -------
    >>> sure = {"label": "a", "a": "-0.01", "b": "-4.6"}, {"label": "b", "a": "-0.01", "b": "-4.6"}
    >>> fit_temperature(sure, ["a", "b"])["temperature"] > 5  # half of its decisions are wrong
    True
    """
    scores = np.array([[float(row[label]) for label in labels] for row in rows])
    truths = np.array([labels.index(row["label"]) for row in rows])

    def nll(log_temperature: float) -> float:
        scaled = log_softmax(scores / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(truths)), truths].mean())

    found = minimize_scalar(nll, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return {
        "temperature": float(np.exp(found.x)),
        "utterances": len(truths),
        "nll_before": nll(0.0),
        "nll_after": nll(found.x),
    }
