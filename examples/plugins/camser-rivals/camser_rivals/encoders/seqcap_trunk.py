"""The convolutions of CNN GRU-SeqCap, of Wu et al., ICASSP 2019."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from camser_rivals.encoders.base import FeatureEncoder
from camser_rivals.front_ends.linear_spectrogram import LinearSpectrogram
from camser_rivals.layers.padding import FrameStandardization, shortened, without_padding
from camser_rivals.layers.two_shapes import TwoShapes

TALL, WIDE = (8, 2), (2, 8)  # bins x frames of the first two filters


class SeqCapTrunk(FeatureEncoder):
    """Three convolutions of a log spectrogram, whose maps a GRU and capsules read.

    "Speech Emotion Recognition Using Capsule Networks". Windows of 40 ms every 10 ms, 200 bins of
    20 Hz [recalled]; logarithms with zero mean and unit variance in the training data [chosen]. Two
    ports agree on the layers [code], where sizes are bins x frames:

        8 x 2 and 2 x 8 side by side, 8 maps each; max-pooling of 2 x 1
        5 x 5, 16 maps; max-pooling of 2 x 2
        5 x 5, 16 maps
        max-pooling of 2 x 2, then of 4 x 1 (in one port of the GRU's branch alone)

    Each convolution is followed by ReLU [chosen]; its first weights are Xavier's [code]. Its fusion
    is ``seqcap``.

    Arguments
    ---------
    num_maps : int
        Maps of a convolution; half as many of each shape in the first.

    Example
    -------
    >>> import torch
    >>> encoder = SeqCapTrunk(num_maps=2)
    >>> encoder(torch.randn(2, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([2, 75, 12]), 75)
    """

    def __init__(self, num_maps: int = 16) -> None:
        super().__init__(LinearSpectrogram(800, 200, logarithm=True), num_maps=num_maps)
        self.scale = FrameStandardization(200)
        self.convolutions = nn.ModuleList(
            [
                TwoShapes(num_maps // 2, TALL, WIDE),
                nn.Conv2d(num_maps, num_maps, 5, padding=2),
                nn.Conv2d(num_maps, num_maps, 5, padding=2),
            ]
        )
        for module in self.convolutions.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
        self.out_channels = 6 * num_maps

    def back_end(self, features: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, steps, 200] -> [segments, steps / 4, 6 bands * num_maps]"""
        lengths = self.real_steps(num_samples)
        maps = self.scale(features, lengths).mT.unsqueeze(1)
        for convolution, frames in zip(self.convolutions, (1, 2, 2), strict=True):
            maps = without_padding(convolution(maps).relu(), lengths, dim=3)
            lengths = shortened(lengths, frames, frames)
            maps = without_padding(max_pool2d(maps, (2, frames)), lengths, dim=3)
        return max_pool2d(maps, (4, 1)).permute(0, 3, 2, 1).flatten(2)

    def num_frames(self, num_samples: int) -> int:
        """One every 40 ms."""
        return self.fewer_frames(num_samples, 4, 4)
