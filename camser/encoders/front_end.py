"""Functions that front ends share: normalization, the power of a spectrum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from camser.encoders.masks import zero_padding

MAX_FFT = 2**16  # samples: 4 s
MAX_BANDS = 1024  # with the longest transform, their filters take 134 MB


def zero_mean_unit_variance(segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
    """Zero mean and unit variance for each segment, as in wav2vec2's feature extractor.

    Arguments
    ---------
    segments : Tensor
        [segments, samples]
    num_samples : Tensor, optional
        [segments], the real samples of each; those behind are 0, and stay 0.
    """
    if num_samples is None:
        mean = segments.mean(dim=1, keepdim=True)
        variance = segments.var(dim=1, keepdim=True, unbiased=False)
        return (segments - mean) / (variance + 1e-7).sqrt()
    counts = num_samples.unsqueeze(1)
    centered = segments - segments.sum(dim=1, keepdim=True) / counts
    centered = zero_padding(centered, num_samples)
    variance = centered.square().sum(dim=1, keepdim=True) / counts
    return centered / (variance + 1e-7).sqrt()


def power_spectrum(spectrum: Tensor) -> Tensor:
    """The squared modulus of a complex spectrum, of the same shape.

    ``abs`` would take a root, and squaring would undo it.

    Arguments
    ---------
    spectrum : Tensor
        [segments, bins, frames], complex.
    """
    return torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)


def segment_by_segment_on_cpu(front_end: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """``front_end(*inputs)``; on a CPU, one segment at a time.

    The spectrum of one segment is a few megabytes and stays in the processor's caches. The
    spectra of a batch go to memory and back at every step of the front end. For 64 segments of
    3 s this is twice as slow.

    Arguments
    ---------
    front_end : callable
        [segments, samples] -> [segments, …], each segment independently.
    *inputs : Tensor
        [segments, samples], and other arguments of ``front_end``, [segments] each.

    Example
    -------
    >>> segment_by_segment_on_cpu(lambda segments: 2 * segments, torch.ones(3, 2)).shape
    torch.Size([3, 2])
    """
    # A compiled or exported graph cannot loop over a batch of variable size.
    if inputs[0].device.type != "cpu" or torch.compiler.is_compiling() or len(inputs[0]) == 1:
        return front_end(*inputs)
    rows = zip(*(tensor.split(1) for tensor in inputs), strict=True)
    return torch.cat([front_end(*row) for row in rows])


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
