"""The residual block of TSB."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """ReLU(dropout(W_2 ReLU(W_1 x + b_1) + b_2 + x + b)), where b begins at 1 [code].

    Arguments
    ---------
    size : int
        Features.
    dropout : float
        As in the formula.
    """

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(size, size), nn.Linear(size, size)
        self.bias = nn.Parameter(torch.ones(size))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[…, size] -> […, size]"""
        return self.dropout(self.outer(self.inner(x).relu()) + x + self.bias).relu()
