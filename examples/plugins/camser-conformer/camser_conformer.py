"""A small Conformer on log-mel frames, of SpeechBrain's lobes, as an encoder of camser."""

from __future__ import annotations

from typing import Any

import torch
from speechbrain.lobes.models.transformer.Conformer import ConformerEncoder
from speechbrain.lobes.models.transformer.Transformer import PositionalEncoding
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from camser.encoders import Encoder

SAMPLE_RATE, WINDOW_SAMPLES, HOP_SAMPLES, N_FFT = 16000, 400, 160, 512  # 25 ms every 10 ms
STRIDE = 4  # frames that become one: 40 ms
POSITIONS = 2500  # 100 s
QUIETEST = 1e-8  # power of a band; what is below is silence


class LogMel(nn.Module):
    """The logarithm of mel-band powers, shifted and scaled to what speech has: about -1 to 1.

    Arguments
    ---------
    num_mels : int
        Bands.
    """

    def __init__(self, num_mels: int) -> None:
        super().__init__()
        self.mel = MelSpectrogram(
            SAMPLE_RATE, N_FFT, WINDOW_SAMPLES, HOP_SAMPLES, n_mels=num_mels, pad_mode="constant"
        )

    @fwd_default_precision(cast_inputs=torch.float32)
    def forward(self, segments: Tensor) -> Tensor:
        """[segments, samples] -> [segments, frames, mels], in float32."""
        powers = self.mel(segments).transpose(1, 2)
        return powers.clamp_min(QUIETEST).log10() / 2 + 1


class Conformer(Encoder):
    """Log-mel frames through two strided convolutions and a Conformer (Gulati et al., 2020).

    It is trained from nothing. The log-mel frames are computed in float32 also under autocast,
    and once for a corpus.

    Arguments
    ---------
    hidden_size : int
        Channels of the Conformer.
    num_layers : int
        Its blocks.
    num_heads : int
        Of each block's attention.
    ffn_size : int
        Hidden units of each block's feed-forward layers.
    kernel_size : int
        Frames that each block's convolution sees, an odd number.
    dropout : float
        Inside of the blocks.
    num_mels : int
        Bands of the front end.

    Raises
    ------
    ValueError
        If the sizes do not fit each other.

    Example
    -------
    >>> encoder = Conformer(hidden_size=16, num_layers=1)
    >>> encoder(torch.randn(2, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([2, 76, 16]), 76)
    """

    def __init__(
        self,
        hidden_size: int = 144,
        num_layers: int = 4,
        num_heads: int = 4,
        ffn_size: int = 576,
        kernel_size: int = 15,
        dropout: float = 0.1,
        num_mels: int = 80,
    ) -> None:
        super().__init__()
        if hidden_size % num_heads or hidden_size % 2:
            raise ValueError(
                f"hidden_size is {hidden_size}; it must be even and a multiple of num_heads, "
                f"which is {num_heads}"
            )
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {kernel_size}; it must be an odd number")
        self.args = {
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "ffn_size": ffn_size,
            "kernel_size": kernel_size,
            "dropout": dropout,
            "num_mels": num_mels,
        }
        self.out_channels = hidden_size
        self.log_mel = LogMel(num_mels)
        self.subsample = nn.Sequential(
            nn.Conv1d(num_mels, hidden_size, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv1d(hidden_size, hidden_size, 3, stride=2, padding=1),
            nn.GELU(),
        )
        self.positions = PositionalEncoding(hidden_size, POSITIONS)
        self.dropout = nn.Dropout(dropout)
        self.conformer = ConformerEncoder(
            num_layers,
            hidden_size,
            ffn_size,
            num_heads,
            kernel_size,
            dropout=dropout,
            attention_type="regularMHA",  # SpeechBrain's relative one knows float32 alone
        )

    def front_end(self, segments: Tensor) -> Tensor:
        """[segments, samples] -> [segments, mel frames, mels]"""
        return self.log_mel(segments)

    def back_end(self, features: Tensor) -> Tensor:
        """[segments, mel frames, mels] -> [segments, frames, hidden_size]"""
        frames = self.subsample(features.transpose(1, 2)).transpose(1, 2)
        frames = self.out_channels**0.5 * frames  # to the positions' size
        return self.conformer(self.dropout(frames + self.positions(frames)))[0]

    def num_frames(self, num_samples: int) -> int:
        """One every 40 ms; at most the positions there are."""
        frames = -(-(num_samples // HOP_SAMPLES + 1) // STRIDE)
        if frames > POSITIONS:
            raise ValueError(
                f"a segment of {num_samples} samples; allowed: at most "
                f"{POSITIONS * STRIDE * HOP_SAMPLES - 1}"
            )
        return frames

    def init_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dict(self.args)
