"""Weights of the classes in the loss, for corpora whose emotions are not equally frequent."""

from __future__ import annotations

import torch
from torch import Tensor


def check_class_weights(kind: object) -> None:
    """Raise a ValueError if the setting ``class_weights`` is not allowed."""
    if kind not in (None, "balanced"):
        raise ValueError(f"class_weights is {kind!r}; allowed: null, balanced")


def class_weights(kind: str | None, labels: Tensor, num_classes: int) -> Tensor | None:
    """The weights of the classes, computed from the training split.

    Arguments
    ---------
    kind : str or None
        "balanced": each class has the same share in the loss, as in scikit-learn:
        segments / (classes * segments of the class). None: a segment weighs 1.
    labels : Tensor
        [segments], the class of each segment.
    num_classes : int
        The number of classes. One without any segment has the weight 0 and is not counted.

    Returns
    -------
    Tensor or None
        [classes], float32, on the device of ``labels``.

    Example
    -------
    >>> class_weights("balanced", torch.tensor([0, 0, 0, 1]), 3)
    tensor([0.6667, 2.0000, 0.0000])
    """
    check_class_weights(kind)
    if kind is None:
        return None
    counts = labels.bincount(minlength=num_classes)
    num_present = (counts > 0).sum()
    return torch.where(counts > 0, len(labels) / (num_present * counts), 0.0)
