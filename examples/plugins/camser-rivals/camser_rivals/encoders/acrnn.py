"""The 3-D ACRNN of Chen et al., IEEE Signal Processing Letters 2018."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import leaky_relu, max_pool2d

from camser.encoders.front_end import zero_mean_unit_variance
from camser_rivals.encoders.base import FeatureEncoder
from camser_rivals.front_ends.log_mel import LogMel
from camser_rivals.layers.blstm import BLSTM
from camser_rivals.layers.padding import FrameStandardization, shortened, without_padding

SLOPE = 0.01  # of the leaky ReLU [code]


class ACRNN(FeatureEncoder):
    """Log-mel bands and their slopes as an image of three channels, convolutions and a BLSTM.

    "3-D Convolutional Recurrent Neural Networks with Attention Model for Speech Emotion
    Recognition". A segment has zero mean and unit variance (in the paper: the recording), a feature
    those of the training data. Then come

        convolution of 128 maps, 5 frames x 3 bands; max-pooling of 2 frames x 2 bands
        5 convolutions of 256 maps, 5 x 3
        a linear layer of 768 for each time step
        a BLSTM of 128 units in each direction

    Convolutions keep the size, and leaky ReLU follows each [code]. Its fusion is
    ``acrnn_attention``.

    Arguments
    ---------
    num_convolutions : int
        1 is a cheap variant: in the paper's Table I it is half a point below 6.
    num_maps : int
        Maps of a convolution; the first one has half as many.
    linear_size, hidden_size : int
        Of the linear layer, and of the LSTM in each direction.
    pool_bands : int
        Bands of the max-pooling; in the authors' code it is 4.
    num_mels : int
        Bands of the front end.

    Example
    -------
    >>> import torch
    >>> encoder = ACRNN(num_convolutions=1, num_maps=8, linear_size=8, hidden_size=4)
    >>> encoder(torch.randn(2, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([2, 150, 8]), 150)
    """

    def __init__(
        self,
        num_convolutions: int = 6,
        num_maps: int = 256,
        linear_size: int = 768,
        hidden_size: int = 128,
        pool_bands: int = 2,
        num_mels: int = 40,
    ) -> None:
        super().__init__(
            LogMel(num_mels, num_deltas=2),
            num_convolutions=num_convolutions,
            num_maps=num_maps,
            linear_size=linear_size,
            hidden_size=hidden_size,
            pool_bands=pool_bands,
            num_mels=num_mels,
        )
        self.pool, self.out_channels = (2, pool_bands), 2 * hidden_size
        self.scale = FrameStandardization(self.features.num_features)
        maps = [3, num_maps // 2, *[num_maps] * (num_convolutions - 1)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(size, next_size, (5, 3), padding=(2, 1)) for size, next_size in pairwise(maps)
        )
        self.linear = nn.Linear(maps[-1] * (num_mels // pool_bands), linear_size)
        self.blstm = BLSTM(linear_size, hidden_size)

    def front_end(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, steps, 3 * num_mels]"""
        return super().front_end(zero_mean_unit_variance(segments, num_samples), num_samples)

    def back_end(self, features: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, steps, 3 * num_mels] -> [segments, steps / 2, 2 * hidden_size]"""
        lengths = self.real_steps(num_samples)
        maps = self.scale(features, lengths).unflatten(2, (3, -1)).transpose(1, 2)
        first, *others = self.convolutions
        maps = max_pool2d(self._convolved(first, maps, lengths), self.pool)
        lengths = shortened(lengths, 2, 2)
        maps = without_padding(maps, lengths, dim=2)
        for convolution in others:
            maps = self._convolved(convolution, maps, lengths)
        return self.blstm(self.linear(maps.transpose(1, 2).flatten(2)), lengths)

    def _convolved(self, convolution: nn.Module, maps: Tensor, lengths: Tensor | None) -> Tensor:
        """[segments, maps, steps, bands] -> the same, of other maps"""
        return without_padding(leaky_relu(convolution(maps), SLOPE), lengths, dim=2)

    def num_frames(self, num_samples: int) -> int:
        """One for two of 10 ms."""
        return self.fewer_frames(num_samples, 2, 2)
