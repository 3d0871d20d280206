"""Zero mean and unit variance over the training utterances."""

from __future__ import annotations

import numpy as np

# A feature that varies less than this share of its mean is constant but for float32's rounding,
# which differs between machines; standardized, it would be noise of full size.
MIN_SPREAD = 1e-4


def standardization(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The center and the scale, [features] each, with which ``(x - center) * scale`` is standard.

    The scale of a feature that is constant up to rounding is 0, so it is not used.

    Arguments
    ---------
    vectors : array
        [utterances, features]

    Example
    -------
    >>> center, scale = standardization(np.array([[1.0, 3.0], [5.0, 3.0]]))
    >>> center.tolist(), scale.tolist()
    ([3.0, 3.0], [0.5, 0.0])
    """
    center, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    is_constant = deviation <= MIN_SPREAD * np.abs(center)
    return center, np.where(is_constant, 0.0, 1 / np.where(is_constant, 1.0, deviation))
