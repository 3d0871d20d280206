"""Real frames where padding is masked, and everything where it is not."""

from __future__ import annotations

from torch import Tensor, nn

from camser.encoders.masks import length_mask, zero_padding
from camser.fusion.pooling import RunningStandardization


def without_padding(values: Tensor, lengths: Tensor | None, dim: int = 1) -> Tensor:
    """Zero beyond each item's length; None: nothing is padding. See ``zero_padding``."""
    return values if lengths is None else zero_padding(values, lengths, dim)


def shortened(lengths: Tensor | None, window: int, hop: int) -> Tensor | None:
    """The whole windows, one every ``hop``, of so many frames; at least one.

    Example
    -------
    >>> import torch
    >>> shortened(torch.tensor([1, 5, 6]), window=2, hop=2).tolist()
    [1, 2, 3]
    """
    return None if lengths is None else ((lengths - window).clamp(min=0) // hop) + 1


class FrameStandardization(nn.Module):
    """Zero mean and unit variance of each feature over the frames of training; padding becomes 0.

    Arguments
    ---------
    num_features : int
        Size of a frame.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.standardize = RunningStandardization(num_features)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[segments, frames, features], and real frames [segments] -> the same shape"""
        items = frames.flatten(0, 1)
        if lengths is None:
            return self.standardize(items).view_as(frames)
        is_real = length_mask(lengths, frames.shape[1]).flatten()
        return zero_padding(self.standardize(items, is_real).view_as(frames), lengths)
