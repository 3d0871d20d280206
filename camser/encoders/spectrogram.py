"""A spectrogram image through ImageNet's AlexNet (eq. 2 of Zou et al., 2022)."""

from __future__ import annotations

from typing import Any

import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor, nn

from camser.encoders.adaptive_pool import AdaptiveMeanPool2d
from camser.encoders.alexnet import GRID, AlexNet, convolutions, pretrained_features
from camser.encoders.base import Encoder
from camser.encoders.front_end import (
    MAX_FFT,
    check_int_ranges,
    power_spectrum,
    segment_by_segment_on_cpu,
)
from camser.encoders.masks import given, zero_padding

REFERENCES = ("segment", "full_scale")
FORMER_REFERENCE = "kept_bins"  # of models exported before format 3
SILENCE = -20.0  # dB, 65 dB below a full-scale sine: quieter than any speech; it stays dark


class SpectrogramImage(nn.Module):
    """A log-magnitude spectrogram in [0, 1], low frequencies in the last row.

    Magnitudes in dB below the reference, cut at -80 dB, mapped linearly from [-80, 0] to [0, 1].
    The published code also rounds to 8 bits. This is left out: it only reduces reproducibility.

    Arguments
    ---------
    window_samples : int
        Length of the Hamming window, 40 ms.
    hop_samples : int
        Step between frames, 10 ms.
    n_fft : int
        Length of the DFT.
    num_bins : int
        Number of DFT bins, from 0 Hz.
    reference : str
        The value at 0 dB: the loudest one of the "segment" over all bins of the DFT, or that of a
        "full_scale" sine. In models exported before format 3: the loudest one of the "kept_bins".

    Raises
    ------
    ValueError
        If a size or the reference is not allowed.
    """

    window: Tensor

    def __init__(
        self,
        window_samples: int = 640,
        hop_samples: int = 160,
        n_fft: int = 800,
        num_bins: int = 200,
        reference: str = "segment",
    ) -> None:
        super().__init__()
        if reference not in (*REFERENCES, FORMER_REFERENCE):
            raise ValueError(f"reference is {reference!r}; allowed: {', '.join(REFERENCES)}")
        check_int_ranges(n_fft=(n_fft, 4, MAX_FFT))
        check_int_ranges(
            window_samples=(window_samples, 2, n_fft),
            hop_samples=(hop_samples, 1, n_fft),
            num_bins=(num_bins, 1, n_fft // 2 + 1),
        )
        self.hop_samples, self.n_fft, self.num_bins = hop_samples, n_fft, num_bins
        self.reference = reference
        self.register_buffer("window", torch.hamming_window(window_samples), persistent=False)

    @fwd_default_precision(cast_inputs=torch.float32)
    def forward(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, bins, frames], in float32."""
        return segment_by_segment_on_cpu(self._image, segments, *given(num_samples))

    def _image(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        spectrum = torch.stft(
            segments,
            n_fft=self.n_fft,
            hop_length=self.hop_samples,
            win_length=len(self.window),
            window=self.window,
            pad_mode="constant",
            return_complex=True,
        )[:, :, : self.num_frames(segments.shape[1])]
        power = power_spectrum(spectrum)
        if num_samples is not None:  # only real frames may set the level
            power = zero_padding(power, self.real_frames(num_samples), dim=2)
        kept = power[:, : self.num_bins]
        level = 20 * (self.window.sum() / 2).log10()  # of a full-scale sine
        if self.reference != "full_scale":
            counted = kept if self.reference == FORMER_REFERENCE else power
            level = _decibels(counted.amax(dim=(1, 2), keepdim=True)).clamp_min(SILENCE)
        return ((_decibels(kept) - level) / 80 + 1).clamp(0, 1).flip(1)

    def num_frames(self, num_samples: int) -> int:
        """One frame per hop; the centered transform's extra last frame is cut."""
        return max(1, num_samples // self.hop_samples)

    def real_frames(self, num_samples: Tensor) -> Tensor:
        """``num_frames`` of several segments, [segments]."""
        return (num_samples // self.hop_samples).clamp(min=1)


def _decibels(power: Tensor) -> Tensor:
    return 10 * power.clamp_min(1e-10).log10()


class SpectrogramAlexNet(Encoder):
    """AlexNet's convolutions on the spectrogram image.

    AlexNet's classifier is not used. The 6 x 6 positions of its last map become 6 frames in time,
    each of 6 bands x 256 channels.

    Arguments
    ---------
    weights : str or None
        "imagenet" (torchvision downloads them once), the path of a safetensors file with
        ``features.*`` keys, or None for random weights.
    freeze : bool
        Whether the convolutions are not trained.
    reference : str
        The value at 0 dB: "segment" or "full_scale", see ``SpectrogramImage``.
    preemphasis : float
        Coefficient of the model's filter, see ``Encoder``; 0 disables it.
    window_samples, hop_samples, n_fft, num_bins : int
        Of the front end, see ``SpectrogramImage``.

    Raises
    ------
    ValueError
        If the weights cannot be read, or are not AlexNet's.

    Example
    -------
    >>> encoder = SpectrogramAlexNet(weights=None)
    >>> encoder(torch.randn(1, 48000)).shape, encoder.num_frames(48000)
    (torch.Size([1, 6, 1536]), 6)
    """

    pooling = "flatten"
    compiled_submodules = ("alexnet",)
    out_channels = GRID * 256

    def __init__(
        self,
        weights: str | None = "imagenet",
        freeze: bool = False,
        reference: str = "segment",
        preemphasis: float = 0.97,
        window_samples: int = 640,
        hop_samples: int = 160,
        n_fft: int = 800,
        num_bins: int = 200,
    ) -> None:
        super().__init__()
        self.args = {
            "reference": reference,
            "preemphasis": preemphasis,
            "window_samples": window_samples,
            "hop_samples": hop_samples,
            "n_fft": n_fft,
            "num_bins": num_bins,
        }
        self.preemphasis = preemphasis
        self.image = SpectrogramImage(window_samples, hop_samples, n_fft, num_bins, reference)
        features = convolutions()
        if weights is not None:
            features.load_state_dict(pretrained_features(weights, features), strict=True)
        self.alexnet = AlexNet(features, AdaptiveMeanPool2d(GRID))
        if freeze:
            self.freeze(self.alexnet)

    def forward(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, 6, 1536]; the frames of real samples span these."""
        real_frames = None if num_samples is None else self.image.real_frames(num_samples)
        maps = self.alexnet(self.image(segments, num_samples), real_frames)
        return maps.permute(0, 3, 1, 2).flatten(2)

    def num_frames(self, num_samples: int) -> int:
        """Always 6, the width of AlexNet's pooled map. A segment needs at least one window.

        A shorter segment would become a very tall image.
        """
        window = len(self.image.window)
        if num_samples < window:
            raise ValueError(f"a segment of {num_samples} samples; allowed: {window} and more")
        return GRID

    def init_config(self) -> dict[str, Any]:
        """The constructor's arguments, without the weights."""
        return {"weights": None, **self.args}
