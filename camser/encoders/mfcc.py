"""MFCC through a bidirectional LSTM (eq. 1 of Zou et al., 2022)."""

from __future__ import annotations

from typing import Any

import torch
import torchaudio
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor, nn

from camser.encoders.base import Encoder
from camser.encoders.front_end import (
    MAX_BANDS,
    MAX_FFT,
    check_int_ranges,
    power_spectrum,
    segment_by_segment_on_cpu,
)
from camser.encoders.masked_lstm import masked_lstm
from camser.encoders.masks import given, zero_padding


class MFCC(nn.Module):
    """Mel-frequency cepstral coefficients, equal to ``librosa.feature.mfcc(htk=True)``.

    Arguments
    ---------
    num_coefficients : int
        Number of coefficients, the zeroth included.
    num_mels : int
        Mel bands (HTK's formula, Slaney's normalization).
    n_fft : int
        Length of the Hann window and of the DFT, in samples.
    hop_samples : int
        Step between frames.
    sample_rate : int
        In Hz.

    Raises
    ------
    ValueError
        If a size is not allowed.
    """

    def __init__(
        self,
        num_coefficients: int = 40,
        num_mels: int = 128,
        n_fft: int = 2048,
        hop_samples: int = 160,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__()
        check_int_ranges(n_fft=(n_fft, 4, MAX_FFT))
        check_int_ranges(
            hop_samples=(hop_samples, 1, n_fft),
            num_mels=(num_mels, 1, min(n_fft // 2, MAX_BANDS)),
            sample_rate=(sample_rate, 2, 10**6),
        )
        check_int_ranges(num_coefficients=(num_coefficients, 1, num_mels))
        self.hop_samples = hop_samples
        self.transform = torchaudio.transforms.MFCC(
            sample_rate=sample_rate,
            n_mfcc=num_coefficients,
            melkwargs={
                "n_fft": n_fft,
                "hop_length": hop_samples,
                "n_mels": num_mels,
                "norm": "slaney",
                "mel_scale": "htk",
                "pad_mode": "constant",
                "power": None,  # complex: ``power_spectrum`` is much faster than the modulus
            },
        )

    @fwd_default_precision(cast_inputs=torch.float32)
    def forward(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, frames, coefficients], in float32."""
        inputs = segments, *given(num_samples)
        return segment_by_segment_on_cpu(self._coefficients, *inputs)[
            :, : self.num_frames(segments.shape[1])
        ]

    def _coefficients(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        transform, mel = self.transform, self.transform.MelSpectrogram
        # With a channel axis, the 80-dB floor is computed for each segment separately.
        bands = mel.mel_scale(power_spectrum(mel.spectrogram(segments.unsqueeze(1))))
        if num_samples is not None:  # only real frames may set the floor
            bands = zero_padding(bands, self.real_frames(num_samples), dim=3)
        decibels = transform.amplitude_to_DB(bands).squeeze(1)
        return decibels.transpose(1, 2) @ transform.dct_mat

    def num_frames(self, num_samples: int) -> int:
        """One frame per hop; the centered transform's extra last frame is cut."""
        return max(1, num_samples // self.hop_samples)

    def real_frames(self, num_samples: Tensor) -> Tensor:
        """``num_frames`` of several segments, [segments]."""
        return (num_samples // self.hop_samples).clamp(min=1)


class MFCCBiLSTM(Encoder):
    """MFCC frames, each of unit length, through a bidirectional LSTM.

    The defaults are the paper's. Front end and LSTM run in float32 even under autocast. On a GPU,
    PyTorch's autocast runs any LSTM in half precision, whatever precision was requested. That needs
    a scaled loss; without it, half of this LSTM's gradients would be zero. Some CPUs have no
    half-precision LSTM.

    Arguments
    ---------
    hidden_size : int
        Units in each direction.
    num_layers : int
        LSTM layers.
    dropout : float
        Dropout between the layers.
    preemphasis : float
        Coefficient of the model's filter, see ``Encoder``; 0 disables it.
    num_coefficients, num_mels, n_fft, hop_samples, sample_rate : int
        Of the front end, see ``MFCC``.

    Example
    -------
    >>> encoder = MFCCBiLSTM(hidden_size=8)
    >>> encoder(torch.randn(2, 16000)).shape, encoder.num_frames(16000)
    (torch.Size([2, 100, 16]), 100)
    """

    pooling = "flatten"

    def __init__(
        self,
        hidden_size: int = 256,
        num_layers: int = 2,
        dropout: float = 0.5,
        preemphasis: float = 0.97,
        num_coefficients: int = 40,
        num_mels: int = 128,
        n_fft: int = 2048,
        hop_samples: int = 160,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__()
        self.args = {
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "dropout": dropout,
            "preemphasis": preemphasis,
            "num_coefficients": num_coefficients,
            "num_mels": num_mels,
            "n_fft": n_fft,
            "hop_samples": hop_samples,
            "sample_rate": sample_rate,
        }
        self.preemphasis = preemphasis
        self.mfcc = MFCC(num_coefficients, num_mels, n_fft, hop_samples, sample_rate)
        self.lstm = nn.LSTM(
            num_coefficients,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.out_channels = 2 * hidden_size

    def front_end(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, frames, num_coefficients], frames of unit length"""
        coefficients = self.mfcc(segments, num_samples)
        return nn.functional.normalize(coefficients, dim=2)

    @fwd_default_precision(cast_inputs=torch.float32)
    def back_end(self, features: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, frames, num_coefficients] -> [segments, frames, 2 * hidden_size]"""
        if num_samples is None:
            return self.lstm(features)[0]
        return masked_lstm(self.lstm, features, self.mfcc.real_frames(num_samples))

    def num_frames(self, num_samples: int) -> int:
        """See ``MFCC.num_frames``."""
        return self.mfcc.num_frames(num_samples)

    def init_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dict(self.args)
