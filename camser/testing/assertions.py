"""The errors of failed checks, and how values are compared."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

# A share of the largest value; another order of summation may change a result by this much.
FLOAT32_TOLERANCE = 1e-4


class ConformanceError(AssertionError):
    """A failed check; the message has the numbers."""


class ConformanceWarning(UserWarning):
    """A note of a check that passes."""


def expect(condition: bool, message: str) -> None:
    """Raise a ConformanceError unless the condition is true."""
    if not condition:
        raise ConformanceError(message)


def expect_same(
    got: Tensor, wanted: Tensor, what: str, tolerance: float = FLOAT32_TOLERANCE
) -> None:
    """Raise a ConformanceError if two tensors differ by more than a share of the largest value.

    Arguments
    ---------
    got, wanted : Tensor
        Of any shape.
    what : str
        The beginning of the message: what differs.
    tolerance : float
        The allowed share.
    """
    expect(got.shape == wanted.shape, f"{what}: shape {list(got.shape)}, not {list(wanted.shape)}")
    if not wanted.numel():
        return
    largest = float(wanted.double().abs().max())
    difference = float((got.double() - wanted.double()).abs().max())
    expect(
        difference <= tolerance * largest,
        f"{what} by up to {difference:.3g}, where the largest value is {largest:.3g} "
        f"(allowed: {tolerance:.0e} of it)",
    )


def expect_finite(values: Tensor, what: str) -> None:
    """Raise a ConformanceError unless all values are finite."""
    num_nonfinite = int((~torch.isfinite(values)).sum())
    expect(num_nonfinite == 0, f"{what}: {num_nonfinite} of {values.numel()} values are not finite")


def first_line(error: object) -> str:
    """The first line of an error's message, or the name of its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def first_few(names: Iterable[str]) -> str:
    """The first five names, and the number of further ones."""
    names = list(names)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
