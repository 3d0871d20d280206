"""Temperature scaling: the confidence matches the accuracy (Guo et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from camser.evaluation.results import read_scores

LOWEST, HIGHEST = 0.05, 20.0
# Chosen by simulation, see docs/calibration.md.
PRIOR_DEVIATION = 0.25
MIN_UTTERANCES, MIN_ERRORS = 100, 10


def fit_temperature(rows: Sequence[Mapping[str, str]], labels: Sequence[str]) -> dict[str, Any]:
    """The temperature for a model, from its predictions on the validation split.

    The log-probabilities are divided by it and normalized again, so no decision changes. With
    fewer than ``MIN_UTTERANCES`` or ``MIN_ERRORS`` it is 1: the model is not calibrated.

    Arguments
    ---------
    rows : sequence of dict
        Rows of ``predictions.csv``: the label, and one log-probability per class.
    labels : sequence of str
        The classes, in order.

    Returns
    -------
    dict
        ``temperature``; ``calibrated``, whether it was fitted; ``utterances`` and ``errors``, the
        numbers of rows and of wrong decisions; ``nll_before`` and ``nll_after``, the mean negative
        log-likelihood of the rows in nats, None without rows.

    Example
    -------
    >>> rows = {"label": "a", "a": "-0.01", "b": "-4.6"}, {"label": "b", "a": "-0.01", "b": "-4.6"}
    >>> fit_temperature(rows, ["a", "b"])["temperature"]  # two utterances say too little
    1.0
    >>> fit_temperature(rows * 50, ["a", "b"])["temperature"] > 2  # half of its decisions are wrong
    True
    """
    if not rows:
        nothing = {"utterances": 0, "errors": 0, "nll_before": None, "nll_after": None}
        return {"temperature": 1.0, "calibrated": False, **nothing}
    scores, truths = read_scores(rows, labels)
    errors = int((scores.argmax(axis=1) != truths).sum())
    calibrated = len(truths) >= MIN_UTTERANCES and errors >= MIN_ERRORS
    temperature = best_temperature(scores, truths) if calibrated else 1.0
    return {
        "temperature": temperature,
        "calibrated": calibrated,
        "utterances": len(truths),
        "errors": errors,
        "nll_before": mean_nll(scores, truths, 1.0),
        "nll_after": mean_nll(scores, truths, temperature),
    }


def mean_nll(scores: np.ndarray, truths: np.ndarray, temperature: float) -> float:
    """The mean negative log-likelihood of the labels at a temperature, in nats."""
    scaled = log_softmax(scores / temperature, axis=1)
    return float(-scaled[np.arange(len(truths)), truths].mean())


def best_temperature(
    scores: np.ndarray, truths: np.ndarray, deviation: float = PRIOR_DEVIATION
) -> float:
    """The temperature T that minimizes NLL + (log T)^2 / (2 deviation^2 errors).

    Where there are few errors, the likelihood hardly says how sure the model may be: T then stays
    near 1. It is 1 without any error. With an infinite ``deviation`` it is the one of the maximum
    likelihood.

    Arguments
    ---------
    scores : array
        Log-probabilities, [utterances, classes].
    truths : array of int
        The index of each label, [utterances].
    deviation : float
        Of the prior on log T.
    """
    errors = (scores.argmax(axis=1) != truths).sum()
    if not errors and np.isfinite(deviation):
        return 1.0
    weight = 1 / (2 * deviation**2 * max(errors, 1))
    result = minimize_scalar(
        lambda log: mean_nll(scores, truths, np.exp(log)) + weight * log**2,
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
    )
    return float(np.exp(result.x))
