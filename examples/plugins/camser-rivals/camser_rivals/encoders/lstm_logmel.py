"""The LSTMs of HNSD over static and dynamic features, Cao et al., ICASSP 2021."""

from __future__ import annotations

import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor, nn

from camser_rivals.encoders.base import FeatureEncoder
from camser_rivals.front_ends.log_mel import LogMel
from camser_rivals.layers.padding import FrameStandardization

PARTS = ("static", "dynamic")


class LSTMLogMel(FeatureEncoder):
    """An LSTM over log-mel bands (static), or over their slopes and slopes' slopes (dynamic).

    "Hierarchical Network based on the Fusion of Static and Dynamic Features for Speech Emotion
    Recognition". 26 bands, windows of 25 ms every 10 ms, z-scores "against differences between
    speakers" [notes]; here a feature has zero mean and unit variance in the training data [chosen].
    The LSTM has 512 units [notes], one layer and one direction [chosen]. A model has two such
    encoders, one of each part, and ``gmu_attention`` as fusion.

    Arguments
    ---------
    part : str
        "static" or "dynamic".
    hidden_size : int
        Units.
    num_mels : int
        Bands.

    Raises
    ------
    ValueError
        If the part is unknown.

    Example
    -------
    >>> encoder = LSTMLogMel("dynamic", hidden_size=8)
    >>> encoder(torch.randn(2, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([2, 300, 8]), 300)
    """

    def __init__(self, part: str = "static", hidden_size: int = 512, num_mels: int = 26) -> None:
        if part not in PARTS:
            raise ValueError(f"part is {part!r}; allowed: {', '.join(PARTS)}")
        config = {"part": part, "hidden_size": hidden_size, "num_mels": num_mels}
        is_dynamic = part == "dynamic"
        super().__init__(LogMel(num_mels, num_deltas=2 if is_dynamic else 0), **config)
        self.num_skipped = num_mels if is_dynamic else 0  # the bands themselves
        num_features = self.features.num_features - self.num_skipped
        self.scale = FrameStandardization(num_features)
        self.lstm = nn.LSTM(num_features, hidden_size, batch_first=True)
        self.out_channels = hidden_size

    def front_end(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, frames, num_mels, or twice as many]"""
        return super().front_end(segments, num_samples)[..., self.num_skipped :]

    @fwd_default_precision(cast_inputs=torch.float32)
    def back_end(self, features: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, frames, features] -> [segments, frames, hidden_size]"""
        # It reads forwards, so padding, which is at the end, changes no real frame.
        return self.lstm(self.scale(features, self.real_steps(num_samples)))[0]
