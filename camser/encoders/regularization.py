"""Training-time noise drawn on the device: SpecAugment and layer drop.

Both run without waiting for the host, give every parameter a gradient, and do not break a compiled
graph.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class SpecAugment(nn.Module):
    """Masks spans of frames and spans of channels while training (Park et al., 2019).

    A span starts at each position with probability ``prob / length``. So a share of about ``prob``
    is masked, a little less because spans may overlap.

    Arguments
    ---------
    time_prob, time_length : float, int
        The share of masked frames, and the frames per span.
    channel_prob, channel_length : float, int
        The same for channels.

    Example
    -------
    >>> augment = SpecAugment(time_prob=0.5, time_length=2)
    >>> bool((augment(torch.ones(4, 100, 3)) == 0).any())
    True
    >>> bool(augment.eval()(torch.ones(1, 9, 3)).all())
    True
    """

    def __init__(
        self,
        time_prob: float = 0.0,
        time_length: int = 10,
        channel_prob: float = 0.0,
        channel_length: int = 10,
    ) -> None:
        super().__init__()
        for name, value in (("time", time_prob), ("channel", channel_prob)):
            if not 0 <= value <= 1:
                raise ValueError(f"SpecAugment: {name}_prob is {value}; allowed: 0 … 1")
        for name, value in (("time", time_length), ("channel", channel_length)):
            if value < 1:
                raise ValueError(f"SpecAugment: {name}_length is {value}; allowed: 1 and more")
        self.time = (time_prob, time_length)
        self.channel = (channel_prob, channel_length)

    @property
    def is_active(self) -> bool:
        """Whether training masks anything."""
        return self.time[0] > 0 or self.channel[0] > 0

    def forward(self, frames: Tensor, fill: Tensor | None = None) -> Tensor:
        """Mask [segments, frames, channels]; masked frames become ``fill`` [channels], or 0."""
        if not self.training:
            return frames
        if self.time[0]:
            mask = _spans(frames.shape[0], frames.shape[1], *self.time, frames.device)
            fill = frames.new_zeros(()) if fill is None else fill.to(frames.dtype)
            frames = torch.where(mask.unsqueeze(2), fill, frames)
        if self.channel[0]:
            mask = _spans(frames.shape[0], frames.shape[2], *self.channel, frames.device)
            frames = frames.masked_fill(mask.unsqueeze(1), 0.0)
        return frames


def _spans(rows: int, size: int, prob: float, length: int, device: torch.device) -> Tensor:
    """[rows, size], true inside spans of ``length`` that start at any position."""
    starts = (torch.rand(rows, 1, size, device=device) < prob / length).float()
    reached = nn.functional.pad(starts, (length - 1, 0))
    return nn.functional.max_pool1d(reached, length, stride=1).squeeze(1) > 0


class LayerDrop:
    """A forward hook that drops a layer's residual while training (Fan et al., 2020).

    ``x + mask * (layer(x) - x)``, with ``mask`` 0 or 1, drawn on the device once per batch.

    Arguments
    ---------
    prob : float
        The probability that the layer is skipped.
    """

    def __init__(self, prob: float) -> None:
        self.prob = prob

    def __call__(self, layer: nn.Module, inputs: tuple, output: Any) -> Any:
        """See the class."""
        if not layer.training:
            return output
        before, after = inputs[0], output[0] if isinstance(output, tuple) else output
        mask = (torch.rand((), device=after.device) >= self.prob).to(after.dtype)
        after = before + mask * (after - before)
        return (after, *output[1:]) if isinstance(output, tuple) else after
