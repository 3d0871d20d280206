"""The magnitudes of a short-time spectrum, with bins of equal width."""

from __future__ import annotations

import torch
from torch import Tensor

from camser.encoders.front_end import power_spectrum
from camser_rivals.front_ends.base import FrontEnd
from camser_rivals.front_ends.spectrum import spectrum

FLOOR = 1e-6  # added to a bin's power


class LinearSpectrogram(FrontEnd):
    """The first bins of the spectra of Hamming windows: magnitudes, or ln(power + 1e-6).

    Arguments
    ---------
    n_fft : int
        Length of the DFT, in samples: bins are 16000 / ``n_fft`` Hz wide.
    num_bins : int
        Number of bins, from 0 Hz.
    window_samples, hop_samples : int
        40 ms every 10 ms, unless they are given.
    logarithm : bool
        Whether the features are logarithms of powers.
    """

    window: Tensor

    def __init__(
        self,
        n_fft: int,
        num_bins: int,
        window_samples: int = 640,
        hop_samples: int = 160,
        logarithm: bool = False,
    ) -> None:
        super().__init__(window_samples, hop_samples)
        self.n_fft, self.num_features, self.logarithm = n_fft, num_bins, logarithm
        self.register_buffer("window", torch.hamming_window(window_samples), persistent=False)

    def compute(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, frames, num_bins]"""
        bins = power_spectrum(spectrum(segments, self.window, self.hop_samples, self.n_fft))
        powers = bins[:, : self.num_features].mT
        return (powers + FLOOR).log() if self.logarithm else powers.sqrt()
