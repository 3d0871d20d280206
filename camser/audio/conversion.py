"""Samples of any kind, rate and number of channels -> float32, mono, 16 kHz."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np

SAMPLE_RATE = 16000  # Hz, everywhere in camser
LOWEST_RATE = 8000  # telephone quality; a lower rate holds too little to resample from
HIGHEST_RATE = 1_000_000  # no microphone is faster; the memory of resampling grows with the rate
MAX_ABS_SAMPLE = 2.0**31  # unscaled 32-bit PCM, full scale is 1; powers of larger values overflow
CANCELLED = 1e-3  # of the channels' energy is left: 30 dB are lost
Warn = Callable[[str], None]


class AudioError(ValueError):
    """A file is not a valid recording; the message names the file and the reason."""


def pcm_to_float(samples: np.ndarray) -> np.ndarray:
    """PCM of any width to float32 in [-1, 1]; floats keep their values and their type.

    Raises
    ------
    TypeError
        If it holds no numbers.

    Example
    -------
    >>> pcm_to_float(np.array([0, 64, 128, 192], np.uint8)).tolist()
    [-1.0, -0.5, 0.0, 0.5]
    """
    if samples.dtype.kind == "f":
        return samples
    if samples.dtype.kind not in "iu":
        raise TypeError(f"{samples.dtype}")
    full_scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = full_scale if samples.dtype.kind == "u" else 0.0
    return ((samples - middle) / full_scale).astype(np.float32)


def convert(
    name: str | os.PathLike, chunks: Iterable[tuple[int, np.ndarray]], warn: Warn
) -> Iterator[np.ndarray]:
    """Check chunks, average their channels and resample them.

    Arguments
    ---------
    name : str or Path
        The recording, in error messages.
    chunks : iterable
        A sampling rate in Hz, and samples as floats, [samples, channels]; both may change on
        the way.
    warn : callable
        Called at the end if the channels cancel each other.

    Yields
    ------
    numpy.ndarray
        [samples], float32; each length of one rate lasts as long as before, rounded up.

    Raises
    ------
    AudioError
        If there are no samples, NaN, infinity or samples beyond all PCM, or a rate that is not
        allowed.
    """
    total, energy, mixed = 0, 0.0, 0.0

    def mono(parts: Iterable[tuple[int, np.ndarray]]) -> Iterator[np.ndarray]:
        nonlocal total, energy, mixed
        for _, samples in parts:
            average = _average(name, samples)
            total += len(average)
            if samples.shape[1] > 1:
                energy += float(np.square(samples, dtype=np.float64).mean(axis=1).sum())
                mixed += float(np.square(average, dtype=np.float64).sum())
            yield average

    for rate, parts in itertools.groupby(chunks, key=lambda chunk: chunk[0]):
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            allowed = f"{LOWEST_RATE} to {HIGHEST_RATE}"
            raise AudioError(f"{name}: sampled at {rate} Hz; allowed: {allowed}")
        averages = mono(parts)
        yield from averages if rate == SAMPLE_RATE else _resample(averages, rate)
    if not total:
        raise AudioError(f"{name}: holds no samples")
    if mixed < CANCELLED * energy:
        warn("the channels cancel each other in their average; record or convert to one channel")


def _average(name: str | os.PathLike, samples: np.ndarray) -> np.ndarray:
    """[samples, channels] -> [samples]"""
    with np.errstate(invalid="ignore", over="ignore"):
        average = samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(average).all():
        raise AudioError(f"{name}: holds NaN or infinite samples")
    if np.abs(average).max(initial=0) > MAX_ABS_SAMPLE:
        raise AudioError(f"{name}: holds samples beyond {MAX_ABS_SAMPLE:g}; full scale is 1")
    return average


def _resample(chunks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """Resample from ``rate`` to 16 kHz; the duration is rounded up."""
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, quality="HQ")
    taken = given = 0
    for chunk in chunks:
        resampled = stream.resample_chunk(chunk)
        taken, given = taken + len(chunk), given + len(resampled)
        yield resampled
    missing = math.ceil(taken * (SAMPLE_RATE / rate)) - given
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)[:missing]
    yield np.pad(rest, (0, missing - len(rest)))  # soxr rounds the duration to the nearest
