"""Read recordings of any format, rate and channel count as float32, mono, 16 kHz.

A recording is a stream of chunks. ``_decode`` decodes, averages and checks them; ``_resample``
resamples them. ``load`` joins the chunks; ``iter_chunks`` cuts them to one size, in bounded
memory.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from camser.segments import iter_windows

SAMPLE_RATE = 16000  # Hz, everywhere in camser
LOWEST_RATE = 8000  # telephone quality; a lower rate holds too little to resample from
HIGHEST_RATE = 1_000_000  # no microphone is faster; the memory of resampling grows with the rate
MAX_ABS_SAMPLE = 2.0**31  # unscaled 32-bit PCM, full scale is 1; powers of larger values overflow
CHUNK_FRAMES = 2**14  # frames decoded at a time: about 1 s
# How libsndfile's log reports a file that is shorter than declared, by format.
SIZE = r"(?:data|SSND|Data Size|Riff size|riff) *: (\d+) \(should be (\d+)\)"
# Programs that pipe a WAV of unknown length declare about this size or more.
UNKNOWN_LENGTH = 0x7FFF0000


class AudioError(ValueError):
    """A file is not a valid recording; the message names the file and the reason."""


def load(path: str | os.PathLike) -> np.ndarray:
    """Read a recording; channels are averaged and other rates resampled.

    Arguments
    ---------
    path : str or Path
        Any format that soundfile reads.

    Returns
    -------
    numpy.ndarray
        [samples], float32.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty or truncated; if it holds NaN, infinity or
        samples beyond all PCM; or if its rate is below 8 kHz or above 1 MHz.
    """
    return np.concatenate(list(_iter_samples(path)))


def iter_chunks(path: str | os.PathLike, num_samples: int) -> Iterator[np.ndarray]:
    """Read a recording of any length in chunks; a few megabytes are in memory at a time.

    The joined chunks equal what ``load`` returns, bit for bit.

    Arguments
    ---------
    path : str or Path
        Any format that soundfile reads.
    num_samples : int
        Length of a chunk, at 16 kHz, 1 or more; the last chunk may be shorter.

    Yields
    ------
    numpy.ndarray
        [num_samples], float32.

    Raises
    ------
    AudioError
        As ``load``. An error inside the recording is raised after the chunks before it.

    Example
    -------
    >>> import tempfile, soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.zeros(44100), 44100)
    ...     [len(chunk) for chunk in iter_chunks(f"{folder}/a.wav", 6000)]
    [6000, 6000, 4000]
    """
    return iter_windows(_iter_samples(path), num_samples, num_samples)


def iter_array_chunks(
    samples: np.ndarray, sample_rate: int, num_samples: int, name: str
) -> Iterator[np.ndarray]:
    """Cut a recording in memory into chunks, as ``iter_chunks`` does with a file.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples] or [samples, channels], floats in [-1, 1].
    sample_rate : int
        In Hz.
    num_samples : int
        Length of a chunk, at 16 kHz; the last chunk may be shorter.
    name : str
        The recording's name in error messages.

    Raises
    ------
    AudioError
        If it is empty, if it holds samples that ``load`` refuses, or if its rate is below 8 kHz
        or above 1 MHz.
    """
    _check_rate(name, sample_rate)
    if not len(samples):
        raise AudioError(f"{name}: holds no samples")
    mono = _mono(samples.reshape(len(samples), -1))
    _check_samples(name, mono)
    chunks = iter([mono])
    if sample_rate != SAMPLE_RATE:
        chunks = _resample(chunks, sample_rate, len(mono))
    return iter_windows(chunks, num_samples, num_samples)


def _iter_samples(path: str | os.PathLike) -> Iterator[np.ndarray]:
    """Yield a recording's chunks at 16 kHz, [samples] each."""
    import soundfile

    if not Path(path).is_file():
        raise AudioError(f"{path}: there is no such file, or it is not a regular file")
    try:
        # As bytes: on POSIX, a file name need not be valid text. On Windows it always is.
        with soundfile.SoundFile(os.fsencode(path) if os.name == "posix" else path) as file:
            _check_header(path, file)
            chunks = _decode(path, file)
            if file.samplerate != SAMPLE_RATE:
                chunks = _resample(chunks, file.samplerate, file.frames)
            yield from chunks
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: headerless formats
        reason = getattr(error, "error_string", error)
        raise AudioError(f"{path}: not a readable sound file ({reason})") from error


def _decode(path: str | os.PathLike, file: Any) -> Iterator[np.ndarray]:
    """Yield an open file's checked mono chunks, at its own rate."""
    # In a seekable file, soundfile seeks after each read, which is not exact in every format.
    file.seekable = lambda: False
    position = 0
    while position < file.frames:
        chunk = file.read(
            min(CHUNK_FRAMES, file.frames - position), dtype="float32", always_2d=True
        )
        if not len(chunk):
            raise AudioError(
                f"{path}: truncated; {file.frames} samples declared, {position} present"
            )
        position += len(chunk)
        chunk = _mono(chunk)
        _check_samples(path, chunk)
        yield chunk


def _mono(samples: np.ndarray) -> np.ndarray:
    """[samples, channels] -> [samples]; ``_check_samples`` reports values that are not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        return samples.mean(axis=1, dtype=np.float32)


def _check_samples(name: str | os.PathLike, samples: np.ndarray) -> None:
    if not np.isfinite(samples).all():
        raise AudioError(f"{name}: holds NaN or infinite samples")
    if np.abs(samples).max(initial=0) > MAX_ABS_SAMPLE:
        raise AudioError(f"{name}: holds samples beyond {MAX_ABS_SAMPLE:g}; full scale is 1")


def _resample(chunks: Iterator[np.ndarray], rate: int, num_frames: int) -> Iterator[np.ndarray]:
    """Resample ``num_frames`` frames from ``rate`` to 16 kHz; the duration is rounded up."""
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, quality="HQ")
    missing = math.ceil(num_frames * (SAMPLE_RATE / rate))
    for chunk in chunks:
        resampled = stream.resample_chunk(chunk)
        missing -= len(resampled)
        yield resampled
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)[:missing]
    yield np.pad(rest, (0, missing - len(rest)))  # soxr rounds the duration to the nearest


def _check_rate(name: str | os.PathLike, rate: int) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(f"{name}: sampled at {rate} Hz; allowed: {LOWEST_RATE} to {HIGHEST_RATE}")


def _check_header(path: str | os.PathLike, file: Any) -> None:
    _check_rate(path, file.samplerate)
    if not 0 < file.frames < 2**32:
        raise AudioError(f"{path}: holds no samples, or declares no valid number ({file.frames})")
    # libsndfile reads a truncated WAV without an error, and reports it only in its log.
    size = re.search(SIZE, file.extra_info)
    if size and int(size[2]) < int(size[1]) < UNKNOWN_LENGTH:
        raise AudioError(f"{path}: truncated; {size[1]} bytes declared, {size[2]} present")
