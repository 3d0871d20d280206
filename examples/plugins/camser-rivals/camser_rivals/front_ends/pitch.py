"""Pitch and voicing from the autocorrelation of short frames."""

from __future__ import annotations

import torch
from torch import Tensor

from camser_rivals.front_ends.base import SAMPLE_RATE, WINDOW_SAMPLES, FrontEnd

MIN_LAG, MAX_LAG = 32, 320  # samples: 500 to 50 Hz
N_FFT = 1024  # no lag wraps around
VOICING_CUTOFF = 0.55  # F0 is 0 below it, as in openSMILE's IS09 set
LAG_COST = 0.4  # of the longest lag, so that of a pitch and its octaves below the pitch is best
SILENCE = 1e-8  # energy of a frame; a single bit of 16 has more


class Pitch(FrontEnd):
    """The voicing probability and F0, in Hz, of frames of 25 ms every 10 ms.

    For a frame x of N samples without its mean, and each lag k [chosen],

        r(k) = sum_{n < N-k} x_n x_{n+k} / sqrt(sum_{n < N-k} x_n^2  sum_{n >= k} x_n^2).

    Of the peaks of r between 50 and 500 Hz, the pitch is that of the largest r(k) (1 - c k), where
    a small c prefers short lags. Its r is the voicing probability. F0 is 0 if that is below 0.55.

    openSMILE multiplies an autocorrelation by a cepstrum, so the two agree only on the whole.
    """

    num_features = 2
    sums: Tensor
    lags: Tensor

    def __init__(self) -> None:
        super().__init__()
        position, lag = torch.arange(WINDOW_SAMPLES)[:, None], torch.arange(MIN_LAG, MAX_LAG + 1)
        counted = torch.stack([position < WINDOW_SAMPLES - lag, position >= lag]).float()
        self.register_buffer("sums", counted, persistent=False)  # of the squares in r
        self.register_buffer("lags", lag, persistent=False)

    def compute(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, frames, 2]"""
        return self.of_frames(self.framed(segments))

    def of_frames(self, frames: Tensor) -> Tensor:
        """[segments, frames, samples] -> [segments, frames, 2]: voicing and F0"""
        r = self._correlation(frames - frames.mean(dim=2, keepdim=True))
        inner = r[..., 1:-1]
        is_peak = (inner >= r[..., :-2]) & (inner > r[..., 2:])
        lags = self.lags[1:-1]
        scores = inner * (1 - LAG_COST * lags / MAX_LAG)
        best = scores.masked_fill(~is_peak, -1.0).argmax(dim=2, keepdim=True)
        voicing = (inner * is_peak).gather(2, best).clamp(0, 1)
        pitch = SAMPLE_RATE / (best + lags[0])
        return torch.cat([voicing, pitch * (voicing >= VOICING_CUTOFF)], dim=2)

    def _correlation(self, x: Tensor) -> Tensor:
        """[segments, frames, samples] -> [segments, frames, lags], from -1 to 1"""
        power = torch.fft.rfft(x, n=N_FFT).abs().square()
        products = torch.fft.irfft(power, n=N_FFT)[..., MIN_LAG : MAX_LAG + 1]
        heads, tails = x.square() @ self.sums.unsqueeze(1)
        return products / (heads * tails).sqrt().clamp_min(SILENCE)
