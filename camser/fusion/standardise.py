"""Pooled vectors to zero mean and unit variance, by what training has seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """Subtracts the mean and divides by the deviation of each feature, learned while training.

    The frames of a pretrained encoder have features of very unequal size, of which a small
    projection on little data sees only the largest. (Where features are mostly zero, as those of
    flattened convolutional maps are, this would only blow up the rare ones.) Unlike batch
    normalisation, an item's result does not depend on what else is in the batch, a batch may hold
    one item, and nothing needs to be synchronised between processes. A batch that is not finite
    leaves the estimates as they are.

    Arguments
    ---------
    num_features : int
        Size of the vectors.
    memory : int
        Batches that the estimates look back on, once there have been so many.

    Example
    -------
    >>> standardise = Standardise(3)
    >>> _ = [standardise(5 + 2 * torch.randn(32, 3)) for _ in range(50)]
    >>> out = standardise.eval()(5 + 2 * torch.randn(1000, 3))
    >>> bool(out.mean().abs() < 0.2), bool((out.std() - 1).abs() < 0.2)
    (True, True)
    """

    mean: Tensor
    variance: Tensor
    num_batches: Tensor

    def __init__(self, num_features: int, memory: int = 100) -> None:
        super().__init__()
        self.memory = memory
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("variance", torch.ones(num_features))
        self.register_buffer("num_batches", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """[items, features] -> the same shape"""
        if self.training:
            self._update(x.detach().float())
        return (x - self.mean) / (self.variance + 1e-5).sqrt()

    @torch.no_grad()
    def _update(self, x: Tensor) -> None:
        num_batches = self.num_batches + 1
        share = 1 / num_batches.clamp(max=self.memory)
        mean = self.mean.lerp(x.mean(dim=0), share)
        variance = self.variance.lerp((x - mean).square().mean(dim=0), share)
        # What is no number stays so for ever; and a question to the host would wait for the device.
        is_finite = (mean.isfinite() & variance.isfinite()).all()
        self.num_batches.copy_(torch.where(is_finite, num_batches, self.num_batches))
        self.mean.copy_(torch.where(is_finite, mean, self.mean))
        self.variance.copy_(torch.where(is_finite, variance, self.variance))
