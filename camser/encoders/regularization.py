"""Training-time noise drawn on the device: SpecAugment and layer drop.

Both run without waiting for the host, give every parameter a gradient, and do not break a compiled
graph.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class SpecAugment(nn.Module):
    """Masks spans of frames and spans of channels while training (Park et al., 2019).

    As in transformers, a segment has ``prob * size / length`` spans, rounded up or down at random,
    at least ``min_masks``, and no more than fit. Their starts are drawn without replacement; spans
    may overlap.

    Arguments
    ---------
    time_prob, time_length, time_min_masks : float, int, int
        About the share of masked frames, the frames per span, and the smallest number of spans in
        a segment. No frame is masked if the probability is 0.
    channel_prob, channel_length, channel_min_masks : float, int, int
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
        time_min_masks: int = 0,
        channel_prob: float = 0.0,
        channel_length: int = 10,
        channel_min_masks: int = 0,
    ) -> None:
        super().__init__()
        self.time = (time_prob, time_length, time_min_masks)
        self.channel = (channel_prob, channel_length, channel_min_masks)
        for name, (prob, length, fewest) in (("time", self.time), ("channel", self.channel)):
            if not 0 <= prob <= 1:
                raise ValueError(f"SpecAugment: {name}_prob is {prob}; allowed: 0 … 1")
            if length < 1:
                raise ValueError(f"SpecAugment: {name}_length is {length}; allowed: 1 and more")
            if fewest < 0:
                raise ValueError(f"SpecAugment: {name}_min_masks is {fewest}; allowed: 0 and more")

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


def _spans(
    rows: int, size: int, prob: float, length: int, min_masks: int, device: torch.device
) -> Tensor:
    """[rows, size], true inside spans of ``length``."""
    num_starts, expected = size - length + 1, prob * size / length
    most_that_fit = min(size // length, num_starts)
    # The host knows the largest number of spans, so nothing waits for the device.
    most = min(max(math.ceil(expected), min_masks), most_that_fit)
    if most < 1:
        return torch.zeros(rows, size, dtype=torch.bool, device=device)
    starts = torch.rand(rows, num_starts, device=device).topk(most).indices
    numbers = (expected + torch.rand(rows, 1, device=device)).floor().clamp(min=min_masks)
    is_used = (torch.arange(most, device=device) < numbers).float()
    is_start = torch.zeros(rows, num_starts, device=device).scatter(1, starts, is_used)
    reached = nn.functional.pad(is_start.unsqueeze(1), (length - 1, length - 1))
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
