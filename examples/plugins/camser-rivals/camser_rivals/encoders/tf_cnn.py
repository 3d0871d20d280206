"""The CNN whose maps attention pools, of Li et al., Interspeech 2018."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from camser_rivals.encoders.base import FeatureEncoder
from camser_rivals.front_ends.linear_spectrogram import LinearSpectrogram
from camser_rivals.layers.padding import shortened, without_padding
from camser_rivals.layers.two_shapes import TwoShapes

MU = 255.0
TALL, WIDE = (10, 2), (2, 8)  # bins x frames of the first two filters [notes]


class TFCNN(FeatureEncoder):
    """Five convolutions of a companded spectrogram; the frames are all positions of the last maps.

    "An Attention Pooling based Representation Learning Method for Speech Emotion Recognition". The
    spectrogram has windows of 40 ms every 10 ms and 400 bins of 10 Hz [notes]. Magnitudes are
    divided by the largest of the segment [chosen] and companded by mu-law, mu = 255 [notes]:

        ln(1 + mu x) / ln(1 + mu)

    Filters of 10 x 2 and of 2 x 8 (bins x frames) see it side by side; four convolutions of 3 x 3
    follow, with max-pooling of 2 x 2 after the second and the third layer. Each has batch
    normalization and ReLU [notes]. The numbers of maps and the places of the pooling are those of
    two ports that agree [code].

    The paper multiplies a "top-down" map for each class, T_k = x · v_k at each position, with one
    "bottom-up" map, a = softmax over positions of x · w, and averages over positions p. This is

        sum over p of a_p (x_p · v_k) = (sum over p of a_p x_p) · v_k,

    attention pooling and a linear head. So its fusion is ``attentive`` with
    ``projection_size: null``, and ``hidden_sizes`` is empty. The paper's segments have 2 s, one
    every second in training and every 0.4 s in testing [notes].

    Arguments
    ---------
    num_maps : sequence of int
        Maps of the five layers; of the first, each shape of filter has so many.
    n_fft, num_bins : int
        Of the spectrogram, see ``LinearSpectrogram``.

    Example
    -------
    >>> import torch
    >>> encoder = TFCNN(num_maps=[1, 2, 2, 2, 3])
    >>> encoder(torch.randn(2, 32000)).shape, encoder.num_frames(32000)
    (torch.Size([2, 5000, 3]), 5000)
    """

    def __init__(
        self,
        num_maps: Sequence[int] = (8, 32, 48, 64, 80),
        n_fft: int = 1600,
        num_bins: int = 400,
    ) -> None:
        if len(num_maps) != 5:
            raise ValueError(f"num_maps is {num_maps}; give five numbers")
        features = LinearSpectrogram(n_fft, num_bins)
        super().__init__(features, num_maps=list(num_maps), n_fft=n_fft, num_bins=num_bins)
        self.num_bins, self.out_channels = num_bins // 4, num_maps[-1]
        sizes = [2 * num_maps[0], *num_maps[1:]]
        convolutions = [
            nn.Conv2d(size, next_size, 3, padding=1) for size, next_size in pairwise(sizes)
        ]
        self.convolutions = nn.ModuleList([TwoShapes(num_maps[0], TALL, WIDE), *convolutions])
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in sizes)

    def front_end(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, steps, num_bins], in [0, 1]"""
        magnitudes = super().front_end(segments, num_samples)
        # Only real frames may set the level.
        magnitudes = without_padding(magnitudes, self.real_steps(num_samples))
        largest = magnitudes.amax(dim=(1, 2), keepdim=True).clamp_min(1e-6)
        return (MU * magnitudes / largest).log1p() / math.log1p(MU)

    def back_end(self, features: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, steps, num_bins] -> [segments, positions, maps]

        The positions of a time step follow each other, so that padding is at the end.
        """
        lengths = self.real_steps(num_samples)
        maps = without_padding(features, lengths).mT.unsqueeze(1)
        for number, (convolution, norm) in enumerate(
            zip(self.convolutions, self.norms, strict=True)
        ):
            maps = without_padding(norm(convolution(maps)).relu(), lengths, dim=3)
            if number in (1, 2):
                lengths = shortened(lengths, 2, 2)
                maps = without_padding(max_pool2d(maps, 2), lengths, dim=3)
        return maps.permute(0, 3, 2, 1).flatten(1, 2)

    def num_frames(self, num_samples: int) -> int:
        """One for four bins and 40 ms."""
        return self.num_bins * self.fewer_frames(num_samples, 4, 4)
