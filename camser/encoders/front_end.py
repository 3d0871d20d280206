"""Functions that front ends share: pre-emphasis, normalization, the power of a spectrum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torchaudio
from torch import Tensor

MAX_FFT = 2**16  # samples: 4 s
MAX_BANDS = 1024  # with the longest transform, their filters take 134 MB


def preemphasize(waves: Tensor, coefficient: float) -> Tensor:
    """y[n] = x[n] - coefficient * x[n-1], and y[0] = x[0].

    Arguments
    ---------
    waves : Tensor
        [segments, samples]
    coefficient : float
        0.97 in the paper; 0 does not change the samples.
    """
    if not coefficient:
        return waves
    return torchaudio.functional.preemphasis(waves, coefficient)


def zero_mean_unit_variance(waves: Tensor) -> Tensor:
    """Zero mean and unit variance for each segment, as in wav2vec2's feature extractor.

    Arguments
    ---------
    waves : Tensor
        [segments, samples]
    """
    mean = waves.mean(dim=1, keepdim=True)
    variance = waves.var(dim=1, keepdim=True, unbiased=False)
    return (waves - mean) / (variance + 1e-7).sqrt()


def power_spectrum(spectrum: Tensor) -> Tensor:
    """The squared modulus of a complex spectrum, of the same shape.

    ``abs`` would take a root, and squaring would undo it.

    Arguments
    ---------
    spectrum : Tensor
        [segments, bins, frames], complex.
    """
    return torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)


def segment_by_segment_on_cpu(front_end: Callable[[Tensor], Tensor], waves: Tensor) -> Tensor:
    """``front_end(waves)``; on a CPU, one segment at a time.

    The spectrum of one segment is a few megabytes and stays in the processor's caches. The
    spectra of a batch go to memory and back at every step of the front end. For 64 segments of
    3 s this is twice as slow.

    Arguments
    ---------
    front_end : callable
        [segments, samples] -> [segments, …], each segment independently.
    waves : Tensor
        [segments, samples]

    Example
    -------
    >>> segment_by_segment_on_cpu(lambda segments: 2 * segments, torch.ones(3, 2)).shape
    torch.Size([3, 2])
    """
    # A compiled or exported graph cannot loop over a batch of variable size.
    if waves.device.type != "cpu" or torch.compiler.is_compiling() or len(waves) == 1:
        return front_end(waves)
    return torch.cat([front_end(segment) for segment in waves.split(1)])


def check_int_ranges(**sizes: tuple[Any, int, int]) -> None:
    """Raise a ValueError unless each size is a whole number within its bounds.

    Arguments
    ---------
    **sizes
        By name: the size, and the smallest and the largest allowed size.

    Example
    -------
    >>> check_int_ranges(n_fft=(0, 2, MAX_FFT))
    Traceback (most recent call last):
    ValueError: n_fft is 0; allowed: whole numbers from 2 to 65536
    """
    for name, (size, low, high) in sizes.items():
        if type(size) is not int or not low <= size <= high:
            raise ValueError(f"{name} is {size!r}; allowed: whole numbers from {low} to {high}")
