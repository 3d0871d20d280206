"""eGeMAPS, openSMILE's prosodic features, as an encoder of camser."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import opensmile
import torch
from torch import Tensor

from camser.encoders import Encoder

SAMPLE_RATE = 16000
LEVELS = {
    "functionals": opensmile.FeatureLevel.Functionals,
    "descriptors": opensmile.FeatureLevel.LowLevelDescriptors,
}
WINDOW_SAMPLES, HOP_SAMPLES = 960, 160  # openSMILE's longest window, 60 ms; its step
LOUDEST = 1 - 2**-15  # openSMILE counts in 16 bits, where 1.0 would turn into -1.0


class EGeMAPS(Encoder):
    """The extended Geneva minimalistic acoustic parameter set (Eyben et al., 2016), version 02.

    Pitch, loudness, voice quality, formants and spectral balance, computed by openSMILE on the
    CPU. There is nothing to train, so a corpus is computed once.

    Arguments
    ---------
    level : str
        "functionals": one frame of 88 statistics of the segment, without the silence of zeros
        that fills it up. "descriptors": 25 low-level descriptors every 10 ms.

    Raises
    ------
    ValueError
        If the level is unknown.

    Example
    -------
    >>> encoder = EGeMAPS()
    >>> encoder(torch.randn(2, 48000) / 10).shape, encoder.num_frames(48000)
    (torch.Size([2, 1, 88]), 1)
    >>> encoder = EGeMAPS(level="descriptors")
    >>> encoder(torch.randn(2, 48000) / 10).shape, encoder.num_frames(48000)
    (torch.Size([2, 296, 25]), 296)
    """

    standardize = True  # a formant is a thousand times as large as a jitter
    expected_failures = MappingProxyType(
        {"device": "openSMILE computes on the CPU, so the samples leave the device for it"}
    )

    def __init__(self, level: str = "functionals") -> None:
        super().__init__()
        if level not in LEVELS:
            raise ValueError(f"level is {level!r}; allowed: {', '.join(LEVELS)}")
        self.level = level
        self.pooling = "mean" if level == "functionals" else "statistics"
        self.out_channels = extractor(level).num_features

    @torch.compiler.disable
    def forward(self, segments: Tensor) -> Tensor:
        """[segments, samples] -> [segments, frames, 88 or 25], in float32."""
        self.num_frames(segments.shape[1])
        samples = segments.detach().float().cpu().numpy().clip(-1, LOUDEST)
        frames = np.stack([self._describe(segment) for segment in samples])
        return torch.from_numpy(frames).to(segments.device)

    def _describe(self, segment: np.ndarray) -> np.ndarray:
        """[samples] -> [frames, features]"""
        if self.level == "functionals":
            segment = segment[: max(len(np.trim_zeros(segment, "b")), WINDOW_SAMPLES)]
        return extractor(self.level)(segment, SAMPLE_RATE)[0].T

    def num_frames(self, num_samples: int) -> int:
        """1, or one every 10 ms; a segment has at least 60 ms."""
        if num_samples < WINDOW_SAMPLES:
            raise ValueError(
                f"a segment of {num_samples} samples; eGeMAPS needs {WINDOW_SAMPLES} and more"
            )
        if self.level == "functionals":
            return 1
        windows = (num_samples - WINDOW_SAMPLES) // HOP_SAMPLES + 1
        return windows + 1  # openSMILE gives one frame more than whole windows fit

    def init_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"level": self.level}


@cache
def extractor(level: str) -> opensmile.Smile:
    """openSMILE set up for a level: one for a process, whatever is copied or pickled."""
    return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, LEVELS[level])
