"""What front ends share: pre-emphasis, normalisation, the power of a spectrum."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor


def preemphasise(waves: Tensor, coefficient: float) -> Tensor:
    """y[n] = x[n] - coefficient * x[n-1], and y[0] = x[0].

    Arguments
    ---------
    waves : Tensor
        [segments, samples]
    coefficient : float
        0.97 in the paper; 0 leaves the samples as they are.
    """
    if not coefficient:
        return waves
    return torchaudio.functional.preemphasis(waves, coefficient)


def standardise(waves: Tensor) -> Tensor:
    """Zero mean and unit variance for each segment, as wav2vec2's feature extractor does it.

    Arguments
    ---------
    waves : Tensor
        [segments, samples]
    """
    mean = waves.mean(dim=1, keepdim=True)
    variance = waves.var(dim=1, keepdim=True, unbiased=False)
    return (waves - mean) / (variance + 1e-7).sqrt()


def power(spectrum: Tensor) -> Tensor:
    """The squared modulus of a complex spectrum, of the same shape.

    Without the root that ``abs`` takes, and that squaring would undo.

    Arguments
    ---------
    spectrum : Tensor
        [segments, bins, frames], complex.
    """
    return torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)
