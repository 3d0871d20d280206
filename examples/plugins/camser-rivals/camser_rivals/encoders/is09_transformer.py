"""A transformer over IS09's functionals, after Tarantino et al., Interspeech 2019."""

from __future__ import annotations

from speechbrain.lobes.models.transformer.Transformer import PositionalEncoding
from torch import Tensor, nn

from camser.encoders.masks import length_mask
from camser_rivals.encoders.base import FeatureEncoder
from camser_rivals.front_ends.functionals import Functionals
from camser_rivals.layers.padding import FrameStandardization

MAX_WINDOWS = 2500  # 10 minutes


class IS09Transformer(FeatureEncoder):
    """Self-attention over windows, each of which has IS09's 384 functionals.

    "Self-attention for Speech Emotion Recognition". The paper's are the idea, self-attention over a
    sequence of windows, and the feature set [notes]; the rest is [chosen]: windows of 1 s every
    0.25 s, zero mean and unit variance in the training data, a linear layer of 256, sinusoidal
    positions, two layers with 4 heads and feed-forward layers of 1024, dropout 0.1, the mean over
    windows. Its fusion is ``concat`` with ``projection_size: null``, and ``hidden_sizes`` is empty.

    Arguments
    ---------
    size, num_heads, num_layers, ffn_size : int
        Of the transformer.
    dropout : float
        In its layers, and on their input.

    Raises
    ------
    ValueError
        If the sizes do not fit each other.

    Example
    -------
    >>> import torch
    >>> encoder = IS09Transformer(size=8, ffn_size=8)
    >>> encoder(torch.randn(2, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([2, 9, 8]), 9)
    """

    def __init__(
        self,
        size: int = 256,
        num_heads: int = 4,
        num_layers: int = 2,
        ffn_size: int = 1024,
        dropout: float = 0.1,
    ) -> None:
        if size % num_heads or size % 2:
            raise ValueError(
                f"size is {size}; it must be even and a multiple of num_heads, which is {num_heads}"
            )
        super().__init__(
            Functionals(),
            size=size,
            num_heads=num_heads,
            num_layers=num_layers,
            ffn_size=ffn_size,
            dropout=dropout,
        )
        self.scale = FrameStandardization(self.features.num_features)
        self.linear = nn.Linear(self.features.num_features, size)
        self.positions = PositionalEncoding(size, MAX_WINDOWS)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(size, num_heads, ffn_size, dropout, batch_first=True)
            for _ in range(num_layers)
        )
        self.out_channels = size

    def back_end(self, features: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, windows, 384] -> [segments, windows, size]"""
        lengths = self.real_steps(num_samples)
        frames = self.linear(self.scale(features, lengths))
        frames = self.dropout(frames + self.positions(frames))
        is_padding = None if lengths is None else ~length_mask(lengths, frames.shape[1])
        for layer in self.layers:
            frames = layer(frames, src_key_padding_mask=is_padding)
        return frames

    def num_frames(self, num_samples: int) -> int:
        """The windows of a segment; at most the positions there are."""
        windows = super().num_frames(num_samples)
        if windows > MAX_WINDOWS:
            raise ValueError(f"a segment of {num_samples} samples; allowed: up to 10 minutes")
        return windows
