"""The 32 low-level descriptors of the Interspeech 2009 emotion challenge (IS09)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from camser.encoders.mfcc_statistics import deltas
from camser_rivals.front_ends.base import SAMPLE_RATE, WINDOW_SAMPLES, FrontEnd
from camser_rivals.front_ends.pitch import Pitch

N_FFT, NUM_MELS, NUM_COEFFICIENTS, LIFTER = 512, 26, 12, 22
PREEMPHASIS = 0.97
FULL_SCALE = 32767.0  # HTK counts samples in 16 bits …
FLOOR = 1.0  # … and the magnitude of a band is at least so much there
SILENCE = 1e-10  # the least mean square, before its logarithm


class Descriptors(FrontEnd):
    """Energy, 12 MFCC, zero-crossing rate, voicing, F0 and their slopes (Schuller et al., 2009).

    Of frames of 25 ms every 10 ms, each pre-emphasized and windowed by itself: the root of the mean
    square, and MFCC 1 to 12 of 26 bands of magnitudes, scaled and liftered as in HTK. Of the plain
    frames: the share of samples at which the sign changes, and ``Pitch``. Each is the mean over
    three frames. The slopes are those of ``LogMel``. Energy and MFCC equal openSMILE's, and so do
    the changes of sign, but that it counts samples that are exactly 0, and not a frame's last one.

    Arguments
    ---------
    log_energy : bool
        Whether the energy is ln(mean square) in place of the root.
    """

    num_features = 32
    window: Tensor
    filters: Tensor
    cosines: Tensor

    def __init__(self, log_energy: bool = False) -> None:
        super().__init__()
        self.log_energy, self.pitch = log_energy, Pitch()
        window = torch.hamming_window(WINDOW_SAMPLES, periodic=False)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", mel_filters(), persistent=False)
        self.register_buffer("cosines", liftered_cosines(), persistent=False)

    def compute(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, frames, 32]"""
        frames = self.framed(segments)
        counts = self.counts(frames, num_samples)
        smooth = smoothed(self._descriptors(frames), counts)
        return torch.cat([smooth, deltas(smooth, counts)], dim=2)

    def _descriptors(self, frames: Tensor) -> Tensor:
        """[segments, frames, samples] -> [segments, frames, 16]"""
        emphasized = frames - PREEMPHASIS * torch.cat([frames[..., :1], frames[..., :-1]], dim=2)
        windowed = emphasized * self.window
        mean_square = windowed.square().mean(dim=2, keepdim=True)
        energy = mean_square.clamp_min(SILENCE).log() if self.log_energy else mean_square.sqrt()
        magnitudes = FULL_SCALE * torch.fft.rfft(windowed, n=N_FFT).abs() @ self.filters
        cepstrum = magnitudes.clamp_min(FLOOR).log() @ self.cosines
        is_positive = frames >= 0
        is_crossing = is_positive[..., 1:] != is_positive[..., :-1]
        crossings = is_crossing.to(frames.dtype).sum(dim=2, keepdim=True) / WINDOW_SAMPLES
        return torch.cat([energy, cepstrum, crossings, self.pitch.of_frames(frames)], dim=2)


def smoothed(frames: Tensor, counts: Tensor) -> Tensor:
    """The mean over each frame and its two neighbors; the first and the last frame repeat.

    Arguments
    ---------
    frames : Tensor
        [segments, frames, features]
    counts : Tensor
        [segments], how many frames of each segment count.
    """
    positions = torch.arange(frames.shape[1], device=frames.device)
    index = positions.minimum(counts.unsqueeze(1) - 1).unsqueeze(2)
    frames = frames.gather(1, index.expand_as(frames))  # the last one repeats
    return avg_pool1d(pad(frames.mT, (1, 1), mode="replicate"), 3, stride=1).mT


def mel_filters() -> Tensor:
    """[bins, mels], triangles on the mel scale, as HTK's; librosa's are triangles over Hz."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127 * (hertz / 700).log1p()

    highest = mel(torch.tensor(SAMPLE_RATE / 2, dtype=torch.float64))
    step = highest / (NUM_MELS + 1)
    bins = mel(torch.arange(N_FFT // 2 + 1, dtype=torch.float64) * SAMPLE_RATE / N_FFT)
    centers = step * torch.arange(1, NUM_MELS + 1)
    return (1 - (bins.unsqueeze(1) - centers).abs() / step).clamp(min=0).float()


def liftered_cosines() -> Tensor:
    """[mels, coefficients], the cosine transform to coefficients 1 to 12, each times its lifter."""
    number = torch.arange(1, NUM_COEFFICIENTS + 1, dtype=torch.float64)
    band = torch.arange(NUM_MELS, dtype=torch.float64).unsqueeze(1) + 0.5
    cosines = math.sqrt(2 / NUM_MELS) * (math.pi / NUM_MELS * number * band).cos()
    return (cosines * (1 + LIFTER / 2 * (math.pi * number / LIFTER).sin())).float()
