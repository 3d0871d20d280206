"""Synthetic voices with prosody: a glottal source through formant filters (Fant, 1960)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from camser.audio import SAMPLE_RATE

# In the order of `prosody`: deviation within an emotion, deviation between speakers, lowest value.
SPREAD, SPEAKER_SPREAD = (1.2, 0.4, 0.25, 1.5, 0.6), (0.0, 0.4, 0.25, 1.2, 0.5)
FLOOR = (-12.0, 0.5, 2.0, -45.0, 3.0)
# A male voice's first three formants in Hz (Peterson & Barney, 1952), and higher formants: without
# them, the filter's own spectral tilt would be larger than that of any emotion.
VOWELS = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (300, 870, 2240))
HIGHER_FORMANTS, BANDWIDTHS = (3500, 4500, 5500, 6500), (80, 100, 150, 250, 300, 350, 400)


def make_voice(rng: np.random.Generator, pitch_hz: float, formant_scale: float) -> dict:
    """Make a speaker: base pitch, prosodic offsets, and a filter per vowel (Klatt's resonators).

    Arguments
    ---------
    rng : numpy.random.Generator
        Source of the speaker's random deviations.
    pitch_hz : float
        Mean pitch of the gender.
    formant_scale : float
        Formant frequencies relative to a male voice.
    """
    scale = formant_scale * rng.uniform(0.95, 1.05)
    radius = np.exp(-np.pi * np.array(BANDWIDTHS) / SAMPLE_RATE)
    filters, zero, one = [], np.zeros_like(radius), np.ones_like(radius)
    for vowel in VOWELS:
        angle = 2 * np.pi * scale * np.array([*vowel, *HIGHER_FORMANTS]) / SAMPLE_RATE
        poles = [one, -2 * radius * np.cos(angle), radius**2]
        filters.append(np.stack([sum(poles), zero, zero, *poles], axis=1))  # gain 1 at 0 Hz
    offsets = rng.normal(0, SPEAKER_SPREAD)
    pitch_hz *= 2 ** rng.uniform(-1 / 6, 1 / 6)
    return {"pitch_hz": pitch_hz, "offsets": offsets, "filters": filters}


def speak(
    rng: np.random.Generator,
    voice: dict,
    neutral: Sequence[float],
    target: Sequence[float],
    num_samples: int,
) -> np.ndarray:
    """Synthesize one utterance, [samples] at 16 kHz, within ±0.7.

    Arguments
    ---------
    rng : numpy.random.Generator
        Source of the utterance's random deviations.
    voice : dict
        From ``make_voice``.
    neutral, target : sequences of float
        The prosody of neutral speech and of the emotion: pitch and its span (semitones),
        syllables per second, level (dBFS), tilt (dB/kHz).
    num_samples : int
        Length of the utterance.
    """
    from scipy.signal import sosfilt

    neutral, target = np.array(neutral), np.array(target)
    # Speakers express an emotion more or less strongly: weak utterances are ambiguous.
    prosody = neutral + rng.uniform(0.6, 1.2) * (target - neutral) + rng.normal(0, SPREAD)
    pitch, span, rate, level, tilt = np.maximum(prosody + voice["offsets"], FLOOR)

    time, seconds = np.arange(num_samples) / SAMPLE_RATE, num_samples / SAMPLE_RATE
    ends = np.cumsum(rng.lognormal(0, 0.25, int(3 * rate * seconds) + 4)) / rate
    ends = ends[: np.searchsorted(ends, seconds) + 1]
    ends *= seconds / ends[-1]  # the last syllable ends with the utterance
    durations = np.diff(ends, prepend=0)
    centers = ends - durations / 2
    strength = rng.uniform(0.5, 1, len(ends)) * (rng.random(len(ends)) > 0.15)  # 0: a pause
    strength[0] = 1
    syllable = np.searchsorted(ends[:-1], time, side="right")
    position = ((ends[syllable] - time) / durations[syllable]).clip(0, 1)
    envelope = strength[syllable] * np.sin(np.pi * position).clip(0) ** 0.7

    accents = np.interp(time, centers, rng.normal(0, 0.6, len(ends)))
    declination = 0.5 - time / seconds
    jitter = np.interp(time, time[::160], rng.normal(0, 0.2, len(time[::160])))
    semitones = pitch + span * (accents + declination) + jitter
    f0 = (voice["pitch_hz"] * 2 ** (semitones / 12)).clip(60, 500)
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    # Harmonics that fall by `tilt` dB per kHz form a geometric series with a closed form: the sum
    # over k >= 1 of a^k cos(k phase).
    a = 10 ** (-tilt * f0 / 20000)
    source = (a * np.cos(phase) - a**2) / (1 - 2 * a * np.cos(phase) + a**2)
    source += 0.01 * source.std() * rng.normal(size=num_samples)  # aspiration

    vowels = rng.integers(len(VOWELS), size=len(ends))
    speech = sum(
        np.interp(time, centers, vowels == vowel) * sosfilt(filters, envelope * source)
        for vowel, filters in enumerate(voice["filters"])
    )
    speech *= 10 ** (level / 20) / np.sqrt(np.mean(speech[envelope > 0.1] ** 2))
    speech += rng.normal(0, 10 ** (-78 / 20), num_samples)  # room noise
    return speech * min(1, 0.7 / np.abs(speech).max())
