"""Functions that front ends share: normalization, the power of a spectrum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

MAX_FFT = 2**16  # samples: 4 s
MAX_BANDS = 1024  # with the longest transform, their filters take 134 MB


def zero_mean_unit_variance(segments: Tensor) -> Tensor:
    """Zero mean and unit variance for each segment, as in wav2vec2's feature extractor.

    Arguments
    ---------
    segments : Tensor
        [segments, samples]
    """
    mean = segments.mean(dim=1, keepdim=True)
    variance = segments.var(dim=1, keepdim=True, unbiased=False)
    return (segments - mean) / (variance + 1e-7).sqrt()


def power_spectrum(spectrum: Tensor) -> Tensor:
    """The squared modulus of a complex spectrum, of the same shape.

    ``abs`` would take a root, and squaring would undo it.

    Arguments
    ---------
    spectrum : Tensor
        [segments, bins, frames], complex.
    """
    return torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)


def segment_by_segment_on_cpu(front_end: Callable[[Tensor], Tensor], segments: Tensor) -> Tensor:
    """``front_end(segments)``; on a CPU, one segment at a time.

    The spectrum of one segment is a few megabytes and stays in the processor's caches. The
    spectra of a batch go to memory and back at every step of the front end. For 64 segments of
    3 s this is twice as slow.

    Arguments
    ---------
    front_end : callable
        [segments, samples] -> [segments, …], each segment independently.
    segments : Tensor
        [segments, samples]

    Example
    -------
    >>> segment_by_segment_on_cpu(lambda segments: 2 * segments, torch.ones(3, 2)).shape
    torch.Size([3, 2])
    """
    # A compiled or exported graph cannot loop over a batch of variable size.
    if segments.device.type != "cpu" or torch.compiler.is_compiling() or len(segments) == 1:
        return front_end(segments)
    return torch.cat([front_end(segment) for segment in segments.split(1)])


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
