"""The decision on a recording."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Prediction:
    """The emotion that the model recognizes in a recording.

    Attributes
    ----------
    source : str
        The recording's path, that of its file, or ``array 0``.
    emotion : str or None
        The most probable class; None if its probability is below the threshold.
    confidence : float
        Its probability.
    probabilities : dict of str to float
        Probability of each class, in the model's order; calibrated if the export's card says so.
    seconds : float
        Length of the recording.
    warnings : tuple of str
        What is implausible about the recording: that it holds no speech, is clipped, beyond full
        scale, or cut short, …; empty if nothing is.
    """

    source: str
    emotion: str | None
    confidence: float
    probabilities: dict[str, float]
    seconds: float
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, which ``json.dumps`` takes."""
        return {**asdict(self), "warnings": list(self.warnings)}


def decide(
    source: str,
    probabilities: dict[str, float],
    threshold: float,
    seconds: float,
    warnings: tuple[str, ...] = (),
) -> Prediction:
    """Choose the most probable class, unless its probability is below ``threshold``.

    Example
    -------
    >>> decide("a.wav", {"angry": 0.4, "sad": 0.6}, 0.5, seconds=2.0).emotion
    'sad'
    """
    best = max(probabilities, key=probabilities.__getitem__)
    confidence = probabilities[best]
    emotion = best if confidence >= threshold else None
    return Prediction(source, emotion, confidence, probabilities, seconds, warnings)


def calibrate(log_probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities with a temperature: [items, classes]

    Example
    -------
    >>> calibrate(np.log([[0.2, 0.8]]), 2.0).round(3).tolist()
    [[0.333, 0.667]]
    """
    logits = np.asarray(log_probabilities, np.float64) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def check_threshold(threshold: float) -> None:
    """Raise a ValueError unless ``threshold`` is a probability."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold is {threshold}; allowed: 0 … 1")
