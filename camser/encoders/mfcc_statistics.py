"""Statistics of the MFCC over a segment, as classifiers before neural networks used them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor

from camser.encoders.base import Encoder
from camser.encoders.mfcc import MFCC

DELTA_REACH = 2  # frames on each side, as in HTK


class MFCCStatistics(Encoder):
    """One frame a segment: of each coefficient the mean, deviations and quantiles.

    The deviations are those of the coefficient and of its deltas. Nothing is trained. With the
    defaults, a frame has 200 numbers.

    Arguments
    ---------
    quantiles : sequence of float
        In [0, 1].
    preemphasis : float
        Coefficient of the model's filter, see ``Encoder``; 0 disables it.
    num_coefficients, num_mels, n_fft, hop_samples, sample_rate : int
        Of the front end, see ``MFCC``.

    Raises
    ------
    ValueError
        If a size or a quantile is not allowed.

    Example
    -------
    >>> encoder = MFCCStatistics()
    >>> encoder(torch.randn(2, 16000)).shape, encoder.num_frames(16000)
    (torch.Size([2, 1, 200]), 1)
    """

    standardize = True

    def __init__(
        self,
        quantiles: Sequence[float] = (0.1, 0.9),
        preemphasis: float = 0.97,
        num_coefficients: int = 40,
        num_mels: int = 128,
        n_fft: int = 2048,
        hop_samples: int = 160,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__()
        self.quantiles, self.preemphasis = list(quantiles), preemphasis
        if invalid := [q for q in self.quantiles if not 0 <= q <= 1]:
            raise ValueError(f"quantiles has {invalid[0]}; allowed: 0 to 1")
        self.front = {
            "num_coefficients": num_coefficients,
            "num_mels": num_mels,
            "n_fft": n_fft,
            "hop_samples": hop_samples,
            "sample_rate": sample_rate,
        }
        self.mfcc = MFCC(**self.front)
        self.out_channels = (3 + len(self.quantiles)) * num_coefficients

    @fwd_default_precision(cast_inputs=torch.float32)
    def forward(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, 1, out_channels]

        With ``num_samples`` [segments], only the frames of so many samples count.
        """
        frames = self.mfcc(segments, num_samples)
        if num_samples is None:
            counts = frames.new_full(segments.shape[:1], frames.shape[1], dtype=torch.long)
        else:
            counts = (num_samples // self.mfcc.hop_samples).clamp(1, frames.shape[1])
        parts = [
            *_moments(frames, counts),
            _moments(deltas(frames, counts), counts)[1],
            *quantiles(frames, counts, self.quantiles),
        ]
        return torch.cat(parts, dim=1).unsqueeze(1)

    def num_frames(self, num_samples: int) -> int:
        """1"""
        return 1

    def init_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"quantiles": self.quantiles, "preemphasis": self.preemphasis, **self.front}


def _counted(frames: Tensor, counts: Tensor) -> Tensor:
    """Whether each frame is among the first ``counts`` [segments]: [segments, frames, 1]"""
    positions = torch.arange(frames.shape[1], device=frames.device)
    return (positions < counts.unsqueeze(1)).unsqueeze(2)


def _moments(frames: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation over the first ``counts`` frames: [segments, channels] each"""
    is_counted, number = _counted(frames, counts), counts.view(-1, 1)
    mean = frames.masked_fill(~is_counted, 0.0).sum(dim=1) / number
    squares = (frames - mean.unsqueeze(1)).square().masked_fill(~is_counted, 0.0)
    return mean, (squares.sum(dim=1) / number).sqrt()


def deltas(frames: Tensor, counts: Tensor) -> Tensor:
    """Slopes over two frames on each side, of the same shape; the first and last frame repeat.

    Arguments
    ---------
    frames : Tensor
        [segments, frames, channels]
    counts : Tensor
        [segments], how many frames of each segment count.
    """
    positions = torch.arange(frames.shape[1], device=frames.device)

    def moved(offset: int) -> Tensor:
        index = (positions + offset).clamp(min=0).minimum(counts.unsqueeze(1) - 1)
        return frames.gather(1, index.unsqueeze(2).expand_as(frames))

    reach = range(1, DELTA_REACH + 1)
    slopes = [n * (moved(n) - moved(-n)) for n in reach]
    return torch.stack(slopes).sum(dim=0) / (2 * sum(n * n for n in reach))


def quantiles(frames: Tensor, counts: Tensor, shares: Sequence[float]) -> list[Tensor]:
    """Quantiles over the first ``counts`` frames, interpolated: [segments, channels] each

    Arguments
    ---------
    frames : Tensor
        [segments, frames, channels]
    counts : Tensor
        [segments], how many frames of each segment count.
    shares : sequence of float
        In [0, 1]; .5 is the median.
    """
    # Not torch.quantile, which takes one number of frames for all, and which ONNX lacks.
    ordered = frames.masked_fill(~_counted(frames, counts), torch.inf).sort(dim=1).values

    def at(positions: Tensor) -> Tensor:
        index = positions.long().view(-1, 1, 1).expand(-1, 1, frames.shape[2])
        return ordered.gather(1, index).squeeze(1)

    found = []
    for share in shares:
        position = share * (counts - 1).to(frames.dtype)
        below = at(position.floor())
        fraction = (position - position.floor()).unsqueeze(1)
        found.append(below + fraction * (at(position.ceil()) - below))
    return found
