"""Running statistics, which a skipped step leaves as they were."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RunningStatistics:
    """The buffers in a model's state, such as batch normalization's means.

    The forward pass of a non-finite batch spoils them for good, even if its step is skipped.

    Arguments
    ---------
    model : Module
        Already on its device.

    Example
    -------
    >>> norm = nn.BatchNorm1d(2)
    >>> statistics = RunningStatistics(norm)
    >>> for value, skipped in ((1.0, 0.0), (float("nan"), 1.0)):
    ...     statistics.remember()
    ...     _ = norm(torch.full((3, 2), value))
    ...     statistics.restore_where(torch.tensor(skipped))
    >>> norm.running_mean
    tensor([0.1000, 0.1000])
    """

    def __init__(self, model: nn.Module) -> None:
        self.buffers = [
            buffer
            for module in model.modules()
            for name, buffer in module._buffers.items()
            if buffer is not None and name not in module._non_persistent_buffers_set
        ]
        self.remembered = [buffer.clone() for buffer in self.buffers]

    @torch.no_grad()
    def remember(self) -> None:
        """Store them before a step."""
        for before, buffer in zip(self.remembered, self.buffers, strict=True):
            before.copy_(buffer)

    @torch.no_grad()
    def restore_where(self, skipped: Tensor) -> None:
        """Restore them where ``skipped``, [], is 1; the host does not wait for its value."""
        for before, buffer in zip(self.remembered, self.buffers, strict=True):
            buffer.copy_(torch.where(skipped > 0, before, buffer))
