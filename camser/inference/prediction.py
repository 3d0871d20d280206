"""The decision on a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Prediction(NamedTuple):
    """The emotion that the model recognizes in a recording.

    Attributes
    ----------
    source : str
        The recording's path, or ``array 0``.
    emotion : str or None
        The most probable class; None if its probability is below the threshold.
    confidence : float
        Its calibrated probability.
    probabilities : dict of str to float
        Calibrated probability of each class, in the model's order.
    seconds : float
        Length of the recording.
    """

    source: str
    emotion: str | None
    confidence: float
    probabilities: dict[str, float]
    seconds: float


def check_threshold(threshold: float) -> None:
    """Raise a ValueError unless ``threshold`` is a probability."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold is {threshold}; allowed: 0 … 1")


def make_prediction(
    source: str,
    labels: Sequence[str],
    probabilities: Sequence[float],
    threshold: float,
    seconds: float,
) -> Prediction:
    """Make a prediction from calibrated probabilities, [classes].

    Example
    -------
    >>> make_prediction("a.wav", ["angry", "sad"], [0.4, 0.6], 0.5, 2.0).emotion
    'sad'
    >>> make_prediction("a.wav", ["angry", "sad"], [0.4, 0.6], 0.7, 2.0).emotion is None
    True
    """
    best = max(range(len(labels)), key=probabilities.__getitem__)
    confidence = probabilities[best]
    return Prediction(
        source=source,
        emotion=labels[best] if confidence >= threshold else None,
        confidence=confidence,
        probabilities=dict(zip(labels, probabilities, strict=True)),
        seconds=seconds,
    )
