"""Cumulative sums, also of logarithms, in as many steps as a number of frames has binary digits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

NOTHING = -1e18  # the logarithm of a sum of no terms; finite, so that differences are


def log_sum(one: Tensor, other: Tensor) -> Tensor:
    """log(exp(one) + exp(other)); ``torch.logaddexp`` overflows in ONNX."""
    return torch.stack([one, other]).logsumexp(dim=0)


def cumulative_sum(values: Tensor, num_frames: int) -> Tensor:
    """The sum of each value and those before it, along the last dimension; see ``scan``.

    Example
    -------
    >>> cumulative_sum(torch.tensor([1.0, 2.0, 3.0]), 3).tolist()
    [1.0, 3.0, 6.0]
    """
    return scan(torch.add, values, 0.0, num_frames)


def cumulative_log_sum(logarithms: Tensor, num_frames: int) -> Tensor:
    """The same of sums whose terms and results are logarithms."""
    return scan(log_sum, logarithms, NOTHING, num_frames)


def scan(
    operation: Callable[[Tensor, Tensor], Tensor], values: Tensor, neutral: float, num_frames: int
) -> Tensor:
    """Combine each value with all before it, along the last dimension (Hillis and Steele, 1986).

    ``torch.cumsum`` and ``torch.logcumsumexp`` do the same. But on a GPU the first is not
    deterministic, and of the second ONNX has only a form that overflows.

    Arguments
    ---------
    operation : callable
        Associative, of two tensors.
    values : Tensor
        [..., frames]
    neutral : float
        What the operation leaves a value unchanged with.
    num_frames : int
        At least the number of frames, which torch.export may leave open.
    """
    step = 1
    while step < num_frames:
        values = operation(pad(values, (step, 0), value=neutral)[..., : values.shape[-1]], values)
        step *= 2
    return values
