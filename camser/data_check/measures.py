"""What is measured of a recording's sound: levels, silence, and the voice (``prosody``)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from camser.audio import SAMPLE_RATE
from camser.audio.quality import QualityCheck
from camser.data_check import prosody

LOWEST_DB = -120.0  # digital silence
MAX_SECONDS = 60  # of a recording, for levels and voice
HALF = 4000  # Hz: what was sampled at 8 kHz holds nothing above


class Measures(msgspec.Struct, frozen=True):
    """The sound of a recording, at 16 kHz; None where there is nothing to measure.

    From ``level_db`` on, it is that of the first ``MAX_SECONDS``.

    Arguments
    ---------
    digest : str
        A checksum of the samples, by which duplicates are found.
    oddities : list of (str, str)
        The findings of ``audio.quality``, and of the reader: kind and message.
    seconds : float
        Its length.
    peak, clipped : float
        The largest absolute sample, and the share of samples at full scale.
    speech : float
        The share of it that a speech detector takes for speech.
    level_db, noise_db : float, optional
        The level where somebody speaks, and that of the quietest tenth; dB below full scale.
    high_band_db : float, optional
        The power above 4 kHz, relative to all power.
    silence_before, silence_after : float, optional
        Seconds before the voice begins, and after it ends.
    pitch_hz, pitch_range : float, optional
        The median, and semitones from the 10 % to the 90 % quantile.
    energy_range_db : float, optional
        The level of voiced frames, from the 10 % to the 90 % quantile.
    syllable_rate : float, optional
        Peaks of the level per second of speaking (de Jong and Wempe, 2009).
    """

    digest: str
    oddities: list[tuple[str, str]]
    seconds: float
    peak: float
    clipped: float
    speech: float
    level_db: float | None = None
    noise_db: float | None = None
    high_band_db: float | None = None
    silence_before: float | None = None
    silence_after: float | None = None
    pitch_hz: float | None = None
    pitch_range: float | None = None
    energy_range_db: float | None = None
    syllable_rate: float | None = None


def measure(read: Callable[[Callable[[str], None]], np.ndarray]) -> tuple[Measures, np.ndarray]:
    """Read a recording and measure it.

    Arguments
    ---------
    read : callable
        Takes a function that is called with the reader's warnings, see ``audio.load``; returns
        [samples], float32 at 16 kHz.

    Returns
    -------
    Measures
    array
        The samples.
    """
    check = QualityCheck(everywhere=True)
    samples = read(check.warn)
    check.add(samples)
    oddities = check.findings()
    is_speech = np.frombuffer(check.speech.frames, bool)
    sound: dict[str, Any] = {}
    start = samples[: MAX_SECONDS * SAMPLE_RATE]
    if start.any():
        levels = prosody.levels(start)
        active = levels > levels.max() - prosody.ACTIVE_DB
        first, last = np.flatnonzero(active)[[0, -1]]
        sound = {
            "level_db": _mean_level(levels[active]),
            "noise_db": max(LOWEST_DB, float(np.quantile(levels, 0.1))),
            "high_band_db": _high_band(start),
            "silence_before": first * prosody.HOP_SECONDS,
            "silence_after": (len(levels) - 1 - last) * prosody.HOP_SECONDS,
            **prosody.voice(start, levels)._asdict(),
        }
        sound = {name: None if v is None else round(float(v), 4) for name, v in sound.items()}
    measures = Measures(
        digest=hashlib.sha256(samples.tobytes()).hexdigest(),
        oddities=oddities,
        seconds=len(samples) / SAMPLE_RATE,
        peak=round(check.peak, 6),
        clipped=round(check.clipped_share, 6),
        speech=round(float(is_speech.mean()) if len(is_speech) else 0.0, 4),
        **sound,
    )
    return measures, samples


def _mean_level(levels: np.ndarray) -> float:
    """The mean power of frames, in dB."""
    return float(10 * np.log10((10 ** (levels / 10)).mean()))


def _high_band(samples: np.ndarray) -> float:
    power = np.square(np.abs(np.fft.rfft(samples)))
    edge = round(len(power) * HALF / (SAMPLE_RATE / 2))
    share = power[edge:].sum() / power.sum()
    return max(LOWEST_DB, float(10 * np.log10(share))) if share else LOWEST_DB
