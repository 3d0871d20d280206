"""Pitch, energy and speaking rate, with librosa. Nothing else of camser imports it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from camser.audio import SAMPLE_RATE

HOP, FRAME = 160, 1024  # samples
HOP_SECONDS = HOP / SAMPLE_RATE
LOWEST_PITCH, HIGHEST_PITCH = 60, 500  # Hz
ACTIVE_DB = 30  # below the loudest frame: somebody speaks
VOICED_DB, MAX_CROSSINGS = 25, 0.15  # below the loudest frame; sign changes per sample
SYLLABLE_DB = 2  # a syllable's peak above the dips beside it
MIN_FRAMES = 5  # voiced ones


class Voice(NamedTuple):
    """See ``measures.Measures``; None without a voice."""

    pitch_hz: float | None = None
    pitch_range: float | None = None
    energy_range_db: float | None = None
    syllable_rate: float | None = None


def levels(samples: np.ndarray) -> np.ndarray:
    """The level of each frame of 64 ms, every 10 ms, in dB below full scale: [frames]"""
    import librosa

    rms = librosa.feature.rms(y=samples, frame_length=FRAME, hop_length=HOP)[0]
    return 20 * np.log10(np.maximum(rms, 1e-6))


def voice(samples: np.ndarray, levels: np.ndarray) -> Voice:
    """Pitch, energy and rate of a voice.

    Frames are voiced if they are loud and their sign changes seldom. The pitch is YIN's (de
    Cheveigné and Kawahara, 2002); its probabilistic successor takes twenty times as long, and
    their medians differ by a quarter of a semitone.

    Arguments
    ---------
    samples : array
        [samples], float32 at 16 kHz.
    levels : array
        [frames], of ``levels``.
    """
    import librosa
    from scipy.signal import find_peaks

    sizes: dict[str, Any] = {"frame_length": FRAME, "hop_length": HOP}
    crossings = librosa.feature.zero_crossing_rate(samples, **sizes)[0]
    voiced = (levels > levels.max() - VOICED_DB) & (crossings < MAX_CROSSINGS)
    if voiced.sum() < MIN_FRAMES:
        return Voice()
    sizes.update(fmin=LOWEST_PITCH, fmax=HIGHEST_PITCH, sr=SAMPLE_RATE)
    pitch = librosa.yin(samples, **sizes)[voiced]
    low, high = np.quantile(pitch, [0.1, 0.9])
    quiet, loud = np.quantile(levels[voiced], [0.1, 0.9])
    peaks, _ = find_peaks(levels, prominence=SYLLABLE_DB)
    speaking = HOP_SECONDS * (levels > levels.max() - ACTIVE_DB).sum()
    return Voice(
        pitch_hz=float(np.median(pitch)),
        pitch_range=float(12 * np.log2(high / low)),
        energy_range_db=float(loud - quiet),
        syllable_rate=float(voiced[peaks].sum() / speaking),
    )
