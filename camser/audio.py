"""One recording: any format, rate and channel count in; float32, mono, 16 kHz out."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

SAMPLE_RATE = 16000  # Hz, everywhere in camser
LOWEST_RATE = 8000  # below telephone quality there is nothing to resample from
# How libsndfile's log tells of a file that is shorter than it declares, by format.
SIZE = r"(?:data|SSND|Data Size|Riff size|riff) *: (\d+) \(should be (\d+)\)"
ENDLESS = 0x7FFF0000  # what writers declare about here and above, piping a WAV of unknown length


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
        If the file is missing, unreadable, empty, truncated or holds NaN or infinity, if its
        rate is below 8 kHz, or if it ends before the part does.
    """
    import soundfile

    if not Path(path).is_file():
        raise AudioError(f"{path}: there is no such file")
    try:
        with soundfile.SoundFile(path) as file:
            _check_header(path, file)
            plain = file.samplerate == SAMPLE_RATE
            if plain and start:
                _check_start(path, start, num_samples, file.frames)
                file.seek(start)
            wanted = -1 if num_samples is None or not plain else num_samples
            samples = file.read(wanted, dtype="float32", always_2d=True)
            rate, declared = file.samplerate, file.frames
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: headerless formats
        raise AudioError(f"{path}: not a readable sound file ({error})") from error
    if wanted < 0 and len(samples) + (start if plain else 0) < declared:
        raise AudioError(f"{path}: truncated; {declared} samples declared, {len(samples)} there")
    samples = samples.mean(axis=1)
    if not np.isfinite(samples).all():
        raise AudioError(f"{path}: holds NaN or infinite samples")
    if not plain:
        samples = _resample(samples, rate)
        _check_start(path, start, num_samples, len(samples))
        samples = samples[start : None if num_samples is None else start + num_samples]
    if num_samples is not None and len(samples) < num_samples:
        raise _changed(path, start + num_samples)
    return samples


def _check_start(path: str | os.PathLike, start: int, count: int | None, length: int) -> None:
    if start >= length:
        raise _changed(path, start + (count or 1))


def _changed(path: str | os.PathLike, end: int) -> AudioError:
    return AudioError(
        f"{path}: ends before sample {end}; it changed since it was prepared: delete the prepared "
        f"folder and prepare again"
    )


def _check_header(path: str | os.PathLike, file) -> None:
    if file.samplerate < LOWEST_RATE:
        raise AudioError(
            f"{path}: sampled at {file.samplerate} Hz; allowed: {LOWEST_RATE} and more"
        )
    if not 0 < file.frames < 2**32:
        raise AudioError(f"{path}: holds no samples, or does not say how many ({file.frames})")
    # libsndfile reads a truncated WAV without complaint, and says so only in its log.
    size = re.search(SIZE, file.extra_info)
    if size and int(size[2]) < int(size[1]) < ENDLESS:
        raise AudioError(f"{path}: truncated; {size[1]} bytes declared, {size[2]} there")


def _resample(samples: np.ndarray, rate: int) -> np.ndarray:
    import librosa

    return librosa.resample(samples, orig_sr=rate, target_sr=SAMPLE_RATE, res_type="soxr_hq")
