"""What a broken promise is called, and how it is measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

FLOAT32_TOLERANCE = (
    1e-4  # the share of the largest value that another order of summation may change
)


class ConformanceError(AssertionError):
    """A promise that is not kept; the message has the numbers."""


class ConformanceWarning(UserWarning):
    """A promise that is kept, with something worth knowing."""


def expect(kept: bool, message: str) -> None:
    """Raise a ConformanceError unless the promise is kept."""
    if not kept:
        raise ConformanceError(message)


def expect_same(
    got: Tensor, wanted: Tensor, what: str, tolerance: float = FLOAT32_TOLERANCE
) -> None:
    """Raise unless two tensors agree, to a share of the largest value.

    Arguments
    ---------
    got, wanted : Tensor
        Of any shape.
    what : str
        What differs if they do, as the beginning of a sentence.
    tolerance : float
        The share.
    """
    expect(got.shape == wanted.shape, f"{what}: shape {list(got.shape)} for {list(wanted.shape)}")
    largest = float(wanted.double().abs().max()) if wanted.numel() else 0.0
    difference = float((got.double() - wanted.double()).abs().max()) if wanted.numel() else 0.0
    expect(
        difference <= tolerance * largest,
        f"{what} by up to {difference:.3g}, where the largest value is {largest:.3g} "
        f"(allowed: {tolerance:.0e} of it)",
    )


def expect_finite(values: Tensor, what: str) -> None:
    """Raise unless all values are finite."""
    wrong = int((~torch.isfinite(values)).sum())
    expect(wrong == 0, f"{what}: {wrong} of {values.numel()} values are not finite")


def first_line(error: object) -> str:
    """The first line of what an error says, or else its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def replaced(thing: Any, **attributes: Any) -> Iterator[None]:
    """While this lasts, attributes of an object or a module are others."""
    before = {name: getattr(thing, name) for name in attributes}
    for name, value in attributes.items():
        setattr(thing, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(thing, name, value)


def first_few(names: Iterable[str]) -> str:
    """The first few of many names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
