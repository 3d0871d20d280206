"""The logarithm of mel-band powers, and its slopes over time."""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from camser.encoders.front_end import power_spectrum
from camser.encoders.mfcc_statistics import deltas
from camser_rivals.front_ends.base import HOP_SAMPLES, SAMPLE_RATE, WINDOW_SAMPLES, FrontEnd
from camser_rivals.front_ends.spectrum import spectrum

N_FFT = 512  # [chosen]
FLOOR = 1e-6  # added to a band's power


class LogMel(FrontEnd):
    """ln(power + 1e-6) of mel bands from 0 to 8 kHz, from Hamming windows of 25 ms every 10 ms.

    The powers equal those of ``librosa.feature.melspectrogram(htk=True, norm=None)``. Slopes are

        d_t = sum over n of n (x_{t+n} - x_{t-n}) / (2 sum of n^2),   n = 1, 2,

    where the first and the last frame repeat, as in HTK.

    Arguments
    ---------
    num_mels : int
        Bands.
    num_deltas : int
        0: the bands alone; 1: their slopes too; 2: and the slopes' slopes.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, num_mels: int, num_deltas: int = 0) -> None:
        super().__init__()
        self.num_deltas, self.num_features = num_deltas, num_mels * (1 + num_deltas)
        filters = melscale_fbanks(N_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, num_mels, SAMPLE_RATE)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hamming_window(WINDOW_SAMPLES), persistent=False)

    def compute(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, frames, (1 + num_deltas) * num_mels]"""
        powers = power_spectrum(spectrum(segments, self.window, HOP_SAMPLES, N_FFT)).mT
        levels = [(powers @ self.filters + FLOOR).log()]
        counts = self.counts(powers, num_samples)
        for _ in range(self.num_deltas):
            levels.append(deltas(levels[-1], counts))
        return torch.cat(levels, dim=2)
