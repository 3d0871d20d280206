"""One recording: any format, rate and channel count in; float32, mono, 16 kHz out.

A recording is a stream of pieces: decoded, averaged and checked (``_decode``), then resampled
(``_resample``). ``load`` joins the pieces; ``iter_chunks`` cuts them to one size, in bounded
memory.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

SAMPLE_RATE = 16000  # Hz, everywhere in camser
LOWEST_RATE = 8000  # below telephone quality there is nothing to resample from
HIGHEST_RATE = 1_000_000  # no microphone is faster; resampling takes memory by the rate
MAX_ABS_SAMPLE = 2.0**31  # full scale is 1; above what 32-bit PCM would be, powers overflow
CHUNK_FRAMES = 2**14  # frames decoded at a time: about a second, which a part may read too much
# How libsndfile's log tells of a file that is shorter than it declares, by format.
SIZE = r"(?:data|SSND|Data Size|Riff size|riff) *: (\d+) \(should be (\d+)\)"
UNKNOWN_LENGTH = (
    0x7FFF0000  # what writers declare about here and above, piping a WAV of unknown length
)
# These continue what was decoded before: after a seek, libsndfile gives other samples there.
INEXACT_SEEK_CODECS = {"VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III"}


class AudioError(ValueError):
    """A file that is no sound recording; the message names it and says why."""


def load(path: str | os.PathLike, start: int = 0, num_samples: int | None = None) -> np.ndarray:
    """Read a recording, or a part of it.

    Channels are averaged and other rates resampled (the part is cut afterwards).

    Arguments
    ---------
    path : str or Path
        Any format that soundfile reads.
    start : int
        First sample, at 16 kHz.
    num_samples : int, optional
        How many; all that follow by default.

    Returns
    -------
    numpy.ndarray
        [samples], float32.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, truncated or holds NaN, infinity or samples
        beyond all PCM, if its rate is below 8 kHz or above 1 MHz, or if it ends before the part
        does. What follows a part is not read.
    """
    wanted = math.inf if num_samples is None else num_samples
    pieces, length = [], 0
    with closing(_iter_samples(path, start)) as samples:
        for piece in samples:
            pieces.append(piece[: min(wanted - length, len(piece))])
            length += len(pieces[-1])
            if length == wanted:
                break
    if not pieces or length < (num_samples or 0):
        raise _file_changed_error(path, start + (num_samples or 1))
    return np.concatenate(pieces)


def iter_chunks(path: str | os.PathLike, num_samples: int) -> Iterator[np.ndarray]:
    """Read a recording of any length in blocks, a few megabytes of it at a time.

    Joined, they are what ``load`` gives, bit for bit.

    Arguments
    ---------
    path : str or Path
        Any format that soundfile reads.
    num_samples : int
        Of a block, at 16 kHz; the last block may be shorter.

    Yields
    ------
    numpy.ndarray
        [num_samples], float32.

    Raises
    ------
    ValueError
        If ``num_samples`` is not positive.
    AudioError
        As ``load``; where the mistake is inside the recording, after the blocks before it.

    Example
    -------
    >>> import tempfile, soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.zeros(44100), 44100)
    ...     [len(block) for block in iter_chunks(f"{folder}/a.wav", 6000)]
    [6000, 6000, 4000]
    """
    if num_samples < 1:
        raise ValueError(f"blocks of {num_samples} samples; allowed: 1 and more")
    return _rechunk(_iter_samples(path), num_samples)


def count_samples(path: str | os.PathLike) -> int:
    """How many samples ``load`` gives; all of them are decoded and checked, a piece at a time."""
    return sum(map(len, iter_chunks(path, CHUNK_FRAMES)))


def iter_array_chunks(
    samples: np.ndarray, sample_rate: int, num_samples: int, name: str
) -> Iterator[np.ndarray]:
    """The blocks of a recording in memory, as ``iter_chunks`` gives those of a file.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples] or [samples, channels], floats in [-1, 1].
    sample_rate : int
        In Hz.
    num_samples : int
        Of a block, at 16 kHz; the last block may be shorter.
    name : str
        What to call it in a message.

    Raises
    ------
    AudioError
        If it is empty or holds such samples as no recording does, or its rate is below 8 kHz.
    """
    _check_rate(name, sample_rate)
    if not len(samples):
        raise AudioError(f"{name}: holds no samples")
    mono = _mono(samples.reshape(len(samples), -1))
    _check_samples(name, mono)
    pieces = iter([mono])
    if sample_rate != SAMPLE_RATE:
        pieces = _resample(pieces, sample_rate, len(mono))
    return _rechunk(pieces, num_samples)


def _rechunk(pieces: Iterator[np.ndarray], num_samples: int) -> Iterator[np.ndarray]:
    kept: list[np.ndarray] = []
    missing = num_samples
    for piece in pieces:
        while len(piece) >= missing:
            yield np.concatenate([*kept, piece[:missing]])
            piece, kept, missing = piece[missing:], [], num_samples
        kept.append(piece)
        missing -= len(piece)
    if missing < num_samples:
        yield np.concatenate(kept)


def _iter_samples(path: str | os.PathLike, start: int = 0) -> Generator[np.ndarray, None, None]:
    """Yield a recording's pieces at 16 kHz, [samples] each, from sample ``start`` on."""
    import soundfile

    if not Path(path).is_file():
        raise AudioError(f"{path}: there is no such file, or it is none that holds data")
    try:
        # The bytes of a name that is no text; Windows has none such.
        with soundfile.SoundFile(os.fsencode(path) if os.name == "posix" else path) as file:
            _check_header(path, file)
            plain = file.samplerate == SAMPLE_RATE
            exact = plain and file.seekable() and file.subtype not in INEXACT_SEEK_CODECS
            position = file.seek(start) if exact and start < file.frames else 0
            start -= position
            pieces = _decode(path, file, position)
            for piece in pieces if plain else _resample(pieces, file.samplerate, file.frames):
                if start < len(piece):
                    yield piece[start:]
                start = max(0, start - len(piece))
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: headerless formats
        told = getattr(error, "error_string", error)
        raise AudioError(f"{path}: not a readable sound file ({told})") from error


def _decode(path: str | os.PathLike, file: Any, position: int) -> Iterator[np.ndarray]:
    """Yield an open file's checked mono pieces, at its own rate, from ``position`` to its end."""
    # Asked, it would make soundfile seek after each read, which is not exact in every format.
    file.seekable = lambda: False
    while position < file.frames:
        piece = file.read(
            min(CHUNK_FRAMES, file.frames - position), dtype="float32", always_2d=True
        )
        if not len(piece):
            raise AudioError(f"{path}: truncated; {file.frames} samples declared, {position} there")
        position += len(piece)
        piece = _mono(piece)
        _check_samples(path, piece)
        yield piece


def _mono(samples: np.ndarray) -> np.ndarray:
    """[samples, channels] -> [samples]; of what is not finite, the check afterwards tells."""
    with np.errstate(invalid="ignore", over="ignore"):
        return samples.mean(axis=1, dtype=np.float32)


def _check_samples(name: str | os.PathLike, piece: np.ndarray) -> None:
    if not np.isfinite(piece).all():
        raise AudioError(f"{name}: holds NaN or infinite samples")
    if np.abs(piece).max(initial=0) > MAX_ABS_SAMPLE:
        raise AudioError(f"{name}: holds samples beyond {MAX_ABS_SAMPLE:g}; full scale is 1")


def _resample(pieces: Iterator[np.ndarray], rate: int, num_frames: int) -> Iterator[np.ndarray]:
    """Yield at 16 kHz what came at ``rate``: ``num_frames`` in all, the duration rounded up."""
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, quality="HQ")
    missing = math.ceil(num_frames * (SAMPLE_RATE / rate))
    for piece in pieces:
        resampled = stream.resample_chunk(piece)
        missing -= len(resampled)
        yield resampled
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)[:missing]
    yield np.pad(rest, (0, missing - len(rest)))  # soxr rounds the duration to the nearest


def _file_changed_error(path: str | os.PathLike, end: int) -> AudioError:
    return AudioError(
        f"{path}: ends before sample {end}; it changed since it was prepared: delete the prepared "
        f"folder and prepare again"
    )


def _check_rate(name: str | os.PathLike, rate: int) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(f"{name}: sampled at {rate} Hz; allowed: {LOWEST_RATE} to {HIGHEST_RATE}")


def _check_header(path: str | os.PathLike, file: Any) -> None:
    _check_rate(path, file.samplerate)
    if not 0 < file.frames < 2**32:
        raise AudioError(f"{path}: holds no samples, or does not say how many ({file.frames})")
    # libsndfile reads a truncated WAV without complaint, and says so only in its log.
    size = re.search(SIZE, file.extra_info)
    if size and int(size[2]) < int(size[1]) < UNKNOWN_LENGTH:
        raise AudioError(f"{path}: truncated; {size[1]} bytes declared, {size[2]} there")
