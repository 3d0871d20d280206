"""A small encoder of any size, for models in which another plugin is checked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from camser.encoders.base import Encoder


class DummyEncoder(Encoder):
    """The means of equal spans of the real samples, each passed through one linear layer.

    Arguments
    ---------
    num_frames, channels : int
        The size of its output, for any segment length.

    Example
    -------
    >>> DummyEncoder(num_frames=5, channels=3)(torch.randn(2, 16000)).shape
    torch.Size([2, 5, 3])
    """

    def __init__(self, num_frames: int, channels: int) -> None:
        super().__init__()
        self.frames, self.out_channels = num_frames, channels
        self.linear = nn.Linear(1, channels)

    def forward(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, num_frames, channels]"""
        if num_samples is None:
            means = nn.functional.adaptive_avg_pool1d(segments.unsqueeze(1), self.frames)
            return self.linear(means.transpose(1, 2))
        steps = torch.arange(self.frames + 1, device=segments.device)
        ends = (steps * num_samples.unsqueeze(1)) // self.frames
        sums = nn.functional.pad(segments.cumsum(dim=1), (1, 0)).gather(1, ends).diff()
        return self.linear((sums / ends.diff().clamp(min=1)).unsqueeze(2))

    def num_frames(self, num_samples: int) -> int:
        """The constructor's ``num_frames``, for any segment length."""
        return self.frames

    def init_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_frames": self.frames, "channels": self.out_channels}
