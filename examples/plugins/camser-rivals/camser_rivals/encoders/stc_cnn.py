"""The CNN with spectro-temporal-channel attention, after Guo et al., ICASSP 2021."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from camser_rivals.encoders.base import FeatureEncoder
from camser_rivals.front_ends.linear_spectrogram import LinearSpectrogram
from camser_rivals.layers.padding import FrameStandardization
from camser_rivals.layers.stc_attention import STCAttention

N_FFT, HOP_SAMPLES, NUM_BINS = 256, 128, 129  # 16 ms every 8 ms
PIECE, PIECE_HOP = 32, 16  # steps: 264 ms every 128 ms


class STCCNN(FeatureEncoder):
    """A CNN of pieces of 264 ms of a log spectrogram; each gives one frame.

    "Representation Learning with Spectro-Temporal-Channel Attention for Speech Emotion
    Recognition". Only the attention is known from the abstract, see ``STCAttention``; windows,
    pieces and the outline of the network are [recalled] of the group's older papers. The sizes are
    [chosen], and so are the hop of the pieces and the place of the attention:

        2 times: convolution 5 x 5 of 32 or 64 maps, ReLU, attention, max-pooling of 2 x 2
        linear of 1024, ReLU, dropout 0.5

    Logarithms of powers have zero mean and unit variance in the training data [chosen]. Its fusion
    is ``per_frame``; the paper's classifier of utterances is an ELM on ``class_statistics``.

    Arguments
    ---------
    num_maps : sequence of int
        Maps of the two convolutions, multiples of 8.
    hidden_size : int
        Size of a frame.
    dropout : float
        On the frames.
    order : str
        See ``STCAttention``.

    Example
    -------
    >>> import torch
    >>> encoder = STCCNN(num_maps=[8, 8], hidden_size=4)
    >>> encoder(torch.randn(2, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([2, 22, 4]), 22)
    """

    def __init__(
        self,
        num_maps: Sequence[int] = (32, 64),
        hidden_size: int = 1024,
        dropout: float = 0.5,
        order: str = "parallel",
    ) -> None:
        if len(num_maps) != 2:
            raise ValueError(f"num_maps is {num_maps}; give two numbers")
        features = LinearSpectrogram(N_FFT, NUM_BINS, N_FFT, HOP_SAMPLES, logarithm=True)
        config = {"hidden_size": hidden_size, "dropout": dropout, "order": order}
        super().__init__(features, num_maps=list(num_maps), **config)
        self.scale = FrameStandardization(NUM_BINS)
        layers: list[nn.Module] = []
        for size, next_size in pairwise([1, *num_maps]):
            layers += [
                nn.Conv2d(size, next_size, 5, padding=2),
                nn.ReLU(),
                STCAttention(next_size, order),
                nn.MaxPool2d(2),
            ]
        self.convolutions = nn.Sequential(*layers)
        self.hidden = nn.Sequential(
            nn.Linear(num_maps[-1] * (NUM_BINS // 4) * (PIECE // 4), hidden_size),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.out_channels = hidden_size

    def back_end(self, features: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, steps, 129] -> [segments, pieces, hidden_size]"""
        frames = self.scale(features, self.real_steps(num_samples))
        pieces = frames.unfold(1, PIECE, PIECE_HOP)  # [segments, pieces, bins, steps]
        maps = self.convolutions(pieces.flatten(0, 1).unsqueeze(1))
        return self.hidden(maps.flatten(1)).unflatten(0, pieces.shape[:2])

    def num_frames(self, num_samples: int) -> int:
        """The whole pieces of a segment."""
        return self.fewer_frames(num_samples, PIECE, PIECE_HOP)
