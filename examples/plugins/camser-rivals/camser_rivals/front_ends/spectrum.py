"""The short-time spectrum from which log-mel bands and spectrograms are made."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def spectrum(segments: Tensor, window: Tensor, hop_samples: int, n_fft: int) -> Tensor:
    """[segments, samples] -> [segments, bins, frames], complex; see ``FrontEnd`` for the frames.

    Arguments
    ---------
    segments : Tensor
        [segments, samples]
    window : Tensor
        [samples of a window]
    hop_samples : int
        The step between two windows.
    n_fft : int
        Length of the DFT, at least that of the window.
    """
    size = window.shape[0]
    before = (n_fft - size) // 2  # torch puts the window into the middle of the DFT's samples
    padded = pad(segments, (before, n_fft - before - hop_samples))
    return torch.stft(padded, n_fft, hop_samples, size, window, center=False, return_complex=True)
