"""Temperature scaling: the confidence matches the accuracy (Guo et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(rows: Sequence[Mapping[str, str]], labels: Sequence[str]) -> dict[str, Any]:
    """Fit the temperature with the maximum likelihood of the labels.

    The log-probabilities are divided by it and normalized again, so no decision changes.

    Arguments
    ---------
    rows : sequence of dict
        Rows of ``predictions.csv``: the label, and one log-probability per class.
    labels : sequence of str
        The classes, in order.

    Returns
    -------
    dict
        ``temperature``; ``utterances``, the number used for the fit; ``nll_before`` and
        ``nll_after``, their mean negative log-likelihood in nats.

    Example
    -------
    >>> rows = {"label": "a", "a": "-0.01", "b": "-4.6"}, {"label": "b", "a": "-0.01", "b": "-4.6"}
    >>> fit_temperature(rows, ["a", "b"])["temperature"] > 5  # half of its decisions are wrong
    True
    """
    scores = np.array([[float(row[label]) for label in labels] for row in rows])
    truths = np.array([labels.index(row["label"]) for row in rows])

    def nll(log_temperature: float) -> float:
        scaled = log_softmax(scores / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(truths)), truths].mean())

    result = minimize_scalar(nll, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return {
        "temperature": float(np.exp(result.x)),
        "utterances": len(truths),
        "nll_before": nll(0.0),
        "nll_after": nll(result.x),
    }
