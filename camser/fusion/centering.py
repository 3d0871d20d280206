"""Centering of vectors that are not projected."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Centering(nn.Module):
    """Subtracts a constant vector, which is zero until a back end sets it.

    Arguments
    ---------
    num_features : int
        Size of the vectors.
    """

    center: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(num_features))

    def forward(self, x: Tensor) -> Tensor:
        """[items, features] -> the same shape"""
        return x - self.center
