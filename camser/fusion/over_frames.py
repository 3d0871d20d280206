"""From the frames of a segment to one vector, padding left out where it is masked.

Frames are [segments, frames, channels]; a mask is [segments, frames], true for real frames.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def flatten(frames: Tensor, mask: Tensor | None = None) -> Tensor:
    """[segments, frames, channels] -> [segments, frames * channels]; padding cannot be masked."""
    assert mask is None, "PooledProjection.masks_padding is false"
    return frames.flatten(1)


def mean(frames: Tensor, mask: Tensor | None = None) -> Tensor:
    """[segments, frames, channels] -> [segments, channels], over the frames of the mask"""
    if mask is None:
        return frames.mean(dim=1)
    return _mean(_wide(frames), mask).to(frames.dtype)


def last(frames: Tensor, mask: Tensor | None = None) -> Tensor:
    """The last frame of the mask: [segments, frames, channels] -> [segments, channels]"""
    if mask is None:
        return frames[:, -1]
    position = (mask.sum(dim=1) - 1).view(-1, 1, 1).expand(-1, 1, frames.shape[2])
    return frames.gather(1, position).squeeze(1)


def statistics(frames: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean and deviation over frames: [segments, frames, channels] -> [segments, 2 * channels]"""
    # Silence has variance 0, where the square root has no finite gradient. Half precision rounds
    # 1e-8 to 0, and squares beyond 256 overflow. onnxscript takes 1e-8 for 0 and removes it.
    wide = _wide(frames)
    if mask is None:
        variance = wide.var(dim=1, unbiased=False)
    else:
        variance = _mean((wide - _mean(wide, mask).unsqueeze(1)).square(), mask)
    deviation = variance.add(1.0001e-8).sqrt().to(frames.dtype)
    return torch.cat([mean(frames, mask), deviation], dim=1)


def mask_scores(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Scores [segments, frames] whose softmax and ReLU are 0 where the mask is false."""
    return scores if mask is None else scores.masked_fill(~mask, -torch.inf)


def _wide(frames: Tensor) -> Tensor:
    return frames.to(torch.promote_types(frames.dtype, torch.float32))


def _mean(frames: Tensor, mask: Tensor) -> Tensor:
    """[segments, frames, channels] -> [segments, channels]"""
    total = frames.masked_fill(~mask.unsqueeze(2), 0.0).sum(dim=1)
    return total / mask.sum(dim=1, keepdim=True)


POOLINGS: dict[str, Callable[..., Tensor]] = {
    "flatten": flatten,
    "mean": mean,
    "last": last,
    "statistics": statistics,
}
