"""Two convolutions side by side: one along frequency, one along time."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TwoShapes(nn.Module):
    """Convolutions of a spectrogram with filters of two shapes; their maps are concatenated.

    Arguments
    ---------
    num_maps : int
        Maps of each.
    tall, wide : tuple of int
        Bins and frames of the filters, e.g. (10, 2) and (2, 8).
    """

    def __init__(self, num_maps: int, tall: tuple[int, int], wide: tuple[int, int]) -> None:
        super().__init__()
        self.tall, self.wide = _convolution(num_maps, *tall), _convolution(num_maps, *wide)

    def forward(self, spectrograms: Tensor) -> Tensor:
        """[segments, 1, bins, frames] -> [segments, 2 * num_maps, bins, frames]"""
        return torch.cat([self.tall(spectrograms), self.wide(spectrograms)], dim=1)


def _convolution(num_maps: int, bins: int, frames: int) -> nn.Sequential:
    """One that keeps the size; with filters of even sizes, one more zero is at the end."""
    padding = ((frames - 1) // 2, frames // 2, (bins - 1) // 2, bins // 2)
    return nn.Sequential(nn.ZeroPad2d(padding), nn.Conv2d(1, num_maps, (bins, frames)))
