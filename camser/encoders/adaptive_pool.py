"""Adaptive average pooling whose gradient is summed in a fixed order."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AdaptiveMeanPool2d(nn.Module):
    """``nn.AdaptiveAvgPool2d`` as two matrix products.

    On a GPU, PyTorch's own layer sums the gradient in any order, so ``deterministic: true``
    forbids it.

    Arguments
    ---------
    size : int
        Rows and columns of the result.

    Example
    -------
    >>> AdaptiveMeanPool2d(2)(torch.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[1.5, 2.5], [1.5, 2.5]]
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, maps: Tensor, num_columns: Tensor | None = None) -> Tensor:
        """[…, rows, columns] -> […, size, size]

        With ``num_columns`` [items], of maps [items, channels, rows, columns], each item's first
        columns alone are pooled.
        """
        height, width = maps.shape[-2:]
        rows = self._windows(height, height, maps)
        counts = width if num_columns is None else num_columns.view(-1, 1, 1, 1)
        columns = self._windows(counts, width, maps)
        sums = ((maps @ columns.mT).mT @ rows.mT).mT
        return sums / (rows.sum(dim=1).unsqueeze(1) * columns.sum(dim=-1).unsqueeze(-2))

    def _windows(self, count: int | Tensor, length: int, maps: Tensor) -> Tensor:
        """[…, size, length], 1 where a position is averaged. Window i of n positions goes from
        floor(i n / size) to ceil((i + 1) n / size). Zeros and ones are exact in any precision."""
        window = torch.arange(self.size, device=maps.device).unsqueeze(1)
        position = torch.arange(length, device=maps.device)
        inside = (position + 1) * self.size > window * count
        return (inside & (position * self.size < (window + 1) * count)).to(maps.dtype)
