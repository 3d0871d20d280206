"""Masks of the frames that real samples have, so that padding changes nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from inspect import signature
from typing import TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")
MAX_FRAMES = 2**16  # of a segment: 10 minutes, every 10 ms


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """[items] -> [items, size], true in the first positions of each item.

    Example
    -------
    >>> length_mask(torch.tensor([1, 3]), 3).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


def zero_padding(values: Tensor, lengths: Tensor, dim: int = 1) -> Tensor:
    """Set what lies beyond each item's length to 0.

    Arguments
    ---------
    values : Tensor
        [items, …]
    lengths : Tensor
        [items], the number of real positions of each.
    dim : int
        The dimension that they are positions of.

    Example
    -------
    >>> zero_padding(torch.ones(2, 3), torch.tensor([1, 3])).tolist()
    [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """
    shape = [1] * values.dim()
    shape[0], shape[dim] = values.shape[0], values.shape[dim]
    is_padding = ~length_mask(lengths, values.shape[dim])
    return values.masked_fill(is_padding.view(shape), 0.0)


class FrameMask(nn.Module):
    """Which frames of a modality are real: as many as its encoder gives for the real samples.

    The first frame always is. The number of samples that each frame needs is computed once, so that
    a mask is one comparison on the device.

    Arguments
    ---------
    num_frames : callable
        ``Encoder.num_frames``.
    num_samples : int
        The length of the longest segment.

    Raises
    ------
    ValueError
        If it has more than ``MAX_FRAMES`` frames.

    Example
    -------
    >>> mask = FrameMask(lambda num_samples: num_samples // 160, 640)
    >>> mask(torch.tensor([100, 320, 479]), 4).int().tolist()
    [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]
    """

    needed: Tensor

    def __init__(self, num_frames: Callable[[int], int], num_samples: int) -> None:
        super().__init__()

        def count(num_samples: int) -> int:
            try:
                return num_frames(num_samples)
            except ValueError:  # too short for a frame
                return 0

        total, lengths, needed, step = num_frames(num_samples), range(num_samples + 1), [0], 0
        if total > MAX_FRAMES:
            raise ValueError(
                f"a segment of {num_samples} samples has {total} frames; where padding is masked, "
                f"allowed: {MAX_FRAMES}"
            )
        for number in range(2, total + 1):
            length = needed[-1] + step  # most encoders have a frame every so many samples
            if not count(length - 1) < number <= count(length):
                length = bisect_left(lengths, number, lo=needed[-1], key=count)
            step = length - needed[-1]
            needed.append(length)
        self.register_buffer("needed", torch.tensor(needed), persistent=False)

    def forward(self, num_samples: Tensor, num_frames: int) -> Tensor:
        """Real samples [segments] -> [segments, num_frames], true for the real frames"""
        return num_samples.unsqueeze(1) >= self.needed[:num_frames]


def at_least(size: int, least: int) -> int:
    """``max``, also of a size that torch.export leaves open; torch.compile knows only ``max``.

    Example
    -------
    >>> at_least(3, 5)
    5
    """
    return max(size, least) if isinstance(size, int) else torch.sym_max(size, least)


def at_most(size: int, most: int) -> int:
    """``min``, see ``at_least``."""
    return min(size, most) if isinstance(size, int) else torch.sym_min(size, most)


def take(argument: str, methods: Iterable[Callable]) -> bool:
    """Whether all methods take an argument of that name.

    Example
    -------
    >>> take("size", [length_mask]), take("size", [length_mask, zero_padding])
    (True, False)
    """
    return all(argument in signature(method).parameters for method in methods)


def given(value: Value | None) -> tuple[Value, ...]:
    """The argument, if there is one: for plugins whose methods do not take it.

    Example
    -------
    >>> given(3), given(None)
    ((3,), ())
    """
    return () if value is None else (value,)
