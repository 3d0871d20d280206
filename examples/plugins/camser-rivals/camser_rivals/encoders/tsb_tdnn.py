"""The audio branch of TSB, time-delay layers over 25-ms frames, of Wu et al., ICASSP 2021."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from camser.encoders.masks import given
from camser_rivals.encoders.base import FeatureEncoder
from camser_rivals.front_ends.log_mel import LogMel
from camser_rivals.front_ends.pitch import Pitch
from camser_rivals.layers.padding import FrameStandardization
from camser_rivals.layers.residual_block import ResidualBlock

DILATIONS = (3, 6, 9)  # frames between the two taps of a layer: {-2, +1}, {-3, +3}, {-7, +2}
CONTEXT = sum(DILATIONS)  # frames that a frame sees besides its own


class TSBTDNN(FeatureEncoder):
    """Time-delay layers with residual blocks: a frame sees 19 of 10 ms, the model's 25-ms branch.

    "Emotion Recognition by Fusing Time Synchronous and Time Asynchronous Representations", of which
    this is the row for audio with 25-ms windows. The layers are the authors' [code]:

        linear, ReLU, residual block                                    512
        3 times: two taps 3, 6, 9 frames apart, ReLU, residual block    512
        linear                                                          128

    Only the input of audio and text together is public. Here a frame has 40 log-mel bands, their
    slopes, the voicing probability and F0 [chosen]. Its fusion is ``self_attentive``. The authors
    warn that it may not train unless it is built up layer by layer [code]. Their large-margin
    softmax [notes] is left out.

    Arguments
    ---------
    size, out_size : int
        Features of the layers, and of the last one.
    dropout : float
        In the residual blocks.
    num_mels : int
        Bands.

    Example
    -------
    >>> encoder = TSBTDNN(size=8, out_size=4)
    >>> encoder(torch.randn(2, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([2, 282, 4]), 282)
    """

    def __init__(
        self, size: int = 512, out_size: int = 128, dropout: float = 0.5, num_mels: int = 40
    ) -> None:
        features = LogMel(num_mels, num_deltas=1)
        config = {"size": size, "out_size": out_size, "dropout": dropout, "num_mels": num_mels}
        super().__init__(features, **config)
        self.pitch = Pitch()
        num_features = features.num_features + self.pitch.num_features
        self.scale = FrameStandardization(num_features)
        self.first = nn.Linear(num_features, size)
        self.taps = nn.ModuleList(nn.Conv1d(size, size, 2, dilation=d) for d in DILATIONS)
        self.blocks = nn.ModuleList(ResidualBlock(size, dropout) for _ in range(4))
        self.last = nn.Linear(size, out_size)
        self.out_channels = out_size

    def front_end(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, steps, 2 * num_mels + 2]"""
        real = given(num_samples)
        return torch.cat([self.features(segments, *real), self.pitch(segments, *real)], dim=2)

    def back_end(self, features: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, steps, features] -> [segments, frames, out_size]"""
        frames = self.scale(features, self.real_steps(num_samples))
        frames = self.blocks[0](self.first(frames).relu())
        for tap, block in zip(self.taps, self.blocks[1:], strict=True):
            frames = block(tap(frames.mT).mT.relu())
        return self.last(frames)

    def num_frames(self, num_samples: int) -> int:
        """18 fewer than there are of 10 ms: none sees beyond the segment."""
        return self.fewer_frames(num_samples, CONTEXT + 1, 1)
