"""Read a recording: at once, or in chunks of one size and in bounded memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

import numpy as np

from camser.audio import ffmpeg, libsndfile
from camser.audio.conversion import AudioError, Warn, convert
from camser.audio.decoding import DecodeError, UnknownFormatError
from camser.audio.first_bytes import HEAD_BYTES, describe
from camser.audio.windows import iter_windows

logger = logging.getLogger(__name__)
Encoded = str | os.PathLike | BinaryIO  # a path, or an open file


def load(path: Encoded, warn: Warn | None = None, name: str | None = None) -> np.ndarray:
    """Read a recording to its end; channels are averaged and other rates resampled.

    What the file says about its own length is not trusted.

    Arguments
    ---------
    path : str, Path or binary file
        Any format that libsndfile or FFmpeg decodes: WAV, FLAC, MP3, Ogg, m4a, webm, …; a video's
        sound. An open file must be seekable; it is read from its beginning, and stays open.
    warn : callable, optional
        Called with each oddity that is no error: the file seems to be cut short, damaged packets
        were skipped, channels cancel each other. By default it is logged.
    name : str, optional
        The recording's name in messages; by default the path, or "the file".

    Returns
    -------
    numpy.ndarray
        [samples], float32.

    Raises
    ------
    AudioError
        If the file is missing, unreadable or empty, or has no sound; if it holds NaN, infinity or
        samples beyond all PCM; or if its rate is below 8 kHz or above 1 MHz.
    """
    return np.concatenate(list(_iter_samples(path, warn, name)))


def iter_chunks(
    path: Encoded, num_samples: int, warn: Warn | None = None, name: str | None = None
) -> Iterator[np.ndarray]:
    """Read a recording of any length in chunks; a few megabytes are in memory at a time.

    The joined chunks equal what ``load`` returns, bit for bit.

    Arguments
    ---------
    path, warn, name
        As for ``load``.
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
    return iter_windows(_iter_samples(path, warn, name), num_samples, num_samples)


def iter_array_chunks(
    samples: np.ndarray, sample_rate: int, num_samples: int, name: str, warn: Warn | None = None
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
    warn : callable, optional
        As for ``load``.

    Raises
    ------
    AudioError
        If it is empty, if it holds samples that ``load`` refuses, or if its rate is below 8 kHz
        or above 1 MHz.
    """
    chunks = iter([(sample_rate, samples.reshape(len(samples), -1))] if samples.size else [])
    return iter_windows(convert(name, chunks, warn or _log(name)), num_samples, num_samples)


def decode(
    path: Encoded, warn: Warn | None = None, name: str | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Decode a recording as it is, to its end, in bounded memory.

    Arguments
    ---------
    path, warn, name
        As for ``load``.

    Yields
    ------
    int
        The sampling rate in Hz; it may change on the way.
    numpy.ndarray
        [samples, channels], floats.

    Raises
    ------
    AudioError
        If the file is missing or unreadable, or cannot be decoded.
    """
    name = name or _name(path)
    try:
        with _open(path, name) as file:
            yield from _decode(file, warn or _log(name))
    except DecodeError as error:
        raise AudioError(f"{name}: {error}") from error
    except OSError as error:
        raise AudioError(f"{name}: cannot be read ({error.strerror or error})") from error


def _open(path: Encoded, name: str) -> AbstractContextManager[BinaryIO]:
    if not isinstance(path, (str, os.PathLike)):
        return nullcontext(path)
    if not os.path.isfile(path):
        raise AudioError(f"{name}: there is no such file, or it is not a regular file")
    return open(path, "rb")


def _name(path: Encoded) -> str:
    return str(path) if isinstance(path, (str, os.PathLike)) else "the file"


def _iter_samples(path: Encoded, warn: Warn | None, name: str | None) -> Iterator[np.ndarray]:
    """Yield a recording's chunks at 16 kHz, [samples] each."""
    name = name or _name(path)
    warn = warn or _log(name)
    yield from convert(name, decode(path, warn, name), warn)


def _decode(file: BinaryIO, warn: Warn) -> Iterator[tuple[int, np.ndarray]]:
    """The sampling rate and the samples of each chunk, by the decoder that knows the format."""
    head = file.read(HEAD_BYTES)
    decoders = [ffmpeg.decode, libsndfile.decode]
    if head.startswith(libsndfile.MAGIC):
        decoders.reverse()
    for decode in decoders:
        file.seek(0)
        try:
            yield from decode(file, warn)
        except UnknownFormatError:
            continue
        return
    raise DecodeError(describe(head))


def _log(name: str | os.PathLike) -> Warn:
    return lambda text: logger.warning("%s: %s", name, text)
