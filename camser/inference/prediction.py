"""The decision on a recording."""

from __future__ import annotations

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
        Its probability.
    probabilities : dict of str to float
        Probability of each class, in the model's order; calibrated if the export's card says so.
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
