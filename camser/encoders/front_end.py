"""What front ends share: pre-emphasis, normalisation, the power of a spectrum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torchaudio
from torch import Tensor

MAX_FFT = 2**16  # samples: 4 s
MAX_BANDS = 1024  # whose filters of the longest transform take 134 MB


def preemphasize(waves: Tensor, coefficient: float) -> Tensor:
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


def zero_mean_unit_variance(waves: Tensor) -> Tensor:
    """Zero mean and unit variance for each segment, as wav2vec2's feature extractor does it.

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

    Without the root that ``abs`` takes, and that squaring would undo.

    Arguments
    ---------
    spectrum : Tensor
        [segments, bins, frames], complex.
    """
    return torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)


def segment_by_segment_on_cpu(front_end: Callable[[Tensor], Tensor], waves: Tensor) -> Tensor:
    """``front_end(waves)``; on a CPU a segment at a time.

    A segment's spectrum is a few megabytes, which then stay in the processor's caches. A batch's
    go to memory and back at every step of the front end: twice as slow for 64 segments of 3 s.

    Arguments
    ---------
    front_end : callable
        [segments, samples] -> [segments, …], each segment by itself.
    waves : Tensor
        [segments, samples]

    Example
    -------
    >>> segment_by_segment_on_cpu(lambda waves: 2 * waves, torch.ones(3, 2)).shape
    torch.Size([3, 2])
    """
    # A compiled or exported graph has no loop over a batch whose size is free.
    if waves.device.type != "cpu" or torch.compiler.is_compiling() or len(waves) == 1:
        return front_end(waves)
    return torch.cat([front_end(piece) for piece in waves.split(1)])


def check_int_ranges(**sizes: tuple[Any, int, int]) -> None:
    """Raise a ValueError unless each size is a whole number within its bounds.

    Arguments
    ---------
    **sizes
        By name: the size that was given, the least and the greatest that are allowed.

    Example
    -------
    >>> check_int_ranges(n_fft=(0, 2, MAX_FFT))
    Traceback (most recent call last):
    ValueError: n_fft is 0; allowed: whole numbers from 2 to 65536
    """
    for name, (given, least, most) in sizes.items():
        if type(given) is not int or not least <= given <= most:
            raise ValueError(f"{name} is {given!r}; allowed: whole numbers from {least} to {most}")
