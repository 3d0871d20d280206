"""Twelve statistics of each descriptor over windows: the IS09 feature set of 384 numbers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from camser_rivals.front_ends.base import HOP_SAMPLES, FrontEnd
from camser_rivals.front_ends.descriptors import Descriptors

WINDOW_FRAMES, HOP_FRAMES = 100, 25  # 1 s every 0.25 s [chosen]
NUM_FUNCTIONALS = 12
CONSTANT = 1e-5  # a deviation below this share of the largest value is rounding


class Functionals(FrontEnd):
    """IS09's functionals of ``Descriptors``, of windows of 1 s every 0.25 s [chosen].

    A segment of less than one window has one, of its own length.
    """

    def __init__(self) -> None:
        super().__init__(WINDOW_FRAMES * HOP_SAMPLES, HOP_FRAMES * HOP_SAMPLES)
        self.descriptors = Descriptors()
        self.num_features = NUM_FUNCTIONALS * self.descriptors.num_features

    def compute(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, windows, 384]"""
        frames = self.descriptors.compute(segments, num_samples)
        counts = self.descriptors.counts(frames, num_samples)
        if (missing := WINDOW_FRAMES - frames.shape[1]) > 0:
            frames = pad(frames, (0, 0, 0, missing))
        windows = frames.unfold(1, WINDOW_FRAMES, HOP_FRAMES).mT
        begins = HOP_FRAMES * torch.arange(windows.shape[1], device=frames.device)
        return functionals(windows, (counts.unsqueeze(1) - begins).clamp(1, WINDOW_FRAMES))

    def num_frames(self, num_samples: int) -> int:
        """The windows of a segment, see the class."""
        frames = self.descriptors.num_frames(num_samples)
        return max(0, frames - WINDOW_FRAMES) // HOP_FRAMES + 1

    def real_frames(self, num_samples: Tensor) -> Tensor:
        """``num_frames`` of several segments, [segments]."""
        frames = self.descriptors.real_frames(num_samples)
        return (frames - WINDOW_FRAMES).clamp(min=0) // HOP_FRAMES + 1


def functionals(windows: Tensor, counts: Tensor) -> Tensor:
    """Twelve statistics of each feature over the frames of a window that count, in this order:

    maximum, minimum, range, positions of maximum and minimum (in frames), mean; slope, offset and
    mean squared error of the linear regression over time (in frames); deviation, skewness and
    kurtosis.

    Arguments
    ---------
    windows : Tensor
        [segments, windows, frames, features]
    counts : Tensor
        [segments, windows], how many frames of each count.

    Returns
    -------
    Tensor
        [segments, windows, features * 12]
    """
    time = torch.arange(windows.shape[2], device=windows.device).view(-1, 1)
    number = counts[..., None, None]
    is_counted = time < number

    def mean(values: Tensor) -> Tensor:
        return values.masked_fill(~is_counted, 0.0).sum(dim=2) / number.squeeze(2)

    highest, at_highest = windows.masked_fill(~is_counted, -torch.inf).max(dim=2)
    lowest, at_lowest = windows.masked_fill(~is_counted, torch.inf).min(dim=2)
    center = mean(windows)
    centered = windows - center.unsqueeze(2)
    middle = (number - 1) / 2
    moment = ((number.squeeze(2) ** 2 - 1) / 12).clamp_min(1e-9)  # of 0, 1, …: their variance
    slope = mean(centered * (time - middle)) / moment
    errors = centered - slope.unsqueeze(2) * (time - middle)
    deviation = mean(centered.square()).sqrt()
    is_constant = deviation <= CONSTANT * torch.maximum(highest.abs(), lowest.abs())
    scale = torch.where(is_constant, torch.inf, deviation)
    standardized = centered / scale.unsqueeze(2)
    values = [
        highest, lowest, highest - lowest, at_highest, at_lowest, center,
        slope, center - slope * middle.squeeze(2), mean(errors.square()),
        deviation, mean(standardized**3), mean(standardized**4),
    ]  # fmt: skip
    return torch.stack([value.to(windows.dtype) for value in values], dim=3).flatten(2)
