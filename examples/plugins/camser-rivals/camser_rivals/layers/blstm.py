"""A bidirectional LSTM over the real frames, in float32 under autocast too."""

from __future__ import annotations

import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor, nn

from camser.encoders.masked_lstm import masked_lstm


class BLSTM(nn.Module):
    """A bidirectional LSTM.

    Arguments
    ---------
    num_features : int
        Size of a frame.
    hidden_size : int
        Units in each direction.
    num_layers : int
        LSTM layers.
    dropout : float
        Dropout between the layers.
    """

    def __init__(
        self, num_features: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            num_features,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if num_layers > 1 else 0.0,
        )

    @fwd_default_precision(cast_inputs=torch.float32)
    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[segments, frames, features], and real frames [segments]
        -> [segments, frames, 2 * hidden_size]"""
        if lengths is None:
            return self.lstm(frames)[0]
        return masked_lstm(self.lstm, frames, lengths)
