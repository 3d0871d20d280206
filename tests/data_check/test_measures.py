"""What is measured of a sound is what was put into it."""

import numpy as np
import pytest

from camser.audio import SAMPLE_RATE
from camser.data_check.measures import LOWEST_DB, measure

TIME = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE


def measures(samples, *warnings):
    def read(warn):
        for warning in warnings:
            warn(warning)
        return samples.astype(np.float32)

    return measure(read)[0]


def harmonic(pitch, level=0.1):
    """Something like a vowel."""
    return level * sum(np.sin(2 * np.pi * n * pitch * TIME) / n for n in range(1, 9))


@pytest.mark.parametrize("pitch", [90, 140, 220, 350])
def test_the_pitch_of_a_vowel_is_its_own(pitch):
    found = measures(harmonic(pitch))
    assert abs(12 * np.log2(found.pitch_hz / pitch)) < 0.2  # semitones
    assert found.pitch_range < 0.5


def test_level_and_silence_are_those_of_a_sine():
    samples = 0.5 * np.sin(2 * np.pi * 200 * TIME)
    samples[:8000] = samples[-4000:] = 0
    found = measures(samples)
    assert found.seconds == 2 and found.peak == pytest.approx(0.5, abs=1e-3)
    assert found.level_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.5)
    assert found.silence_before == pytest.approx(0.5, abs=0.04)  # a frame has 64 ms
    assert found.silence_after == pytest.approx(0.25, abs=0.04)
    assert found.noise_db == LOWEST_DB


def test_what_was_sampled_at_8_khz_has_nothing_above_4_khz():
    low, high = (0.1 * np.sin(2 * np.pi * f * TIME) for f in (1000, 6000))
    assert measures(low).high_band_db < -60
    assert measures(low + high).high_band_db == pytest.approx(10 * np.log10(0.5), abs=0.1)


@pytest.mark.parametrize("rate", [2, 4, 6])
def test_syllables_are_counted_as_they_were_made(rate):
    syllables = harmonic(150) * np.sin(np.pi * rate * TIME) ** 2
    assert measures(syllables).syllable_rate == pytest.approx(rate, rel=0.15)


def test_clipping_silence_and_warnings_are_odd():
    clipped = (40 * harmonic(120)).clip(-1, 1)
    assert measures(clipped).clipped > 0.1
    assert "clipped" in dict(measures(clipped, "damaged").oddities)
    assert dict(measures(clipped, "damaged").oddities)["reading"] == "damaged"
    silent = measures(np.zeros(SAMPLE_RATE))
    assert dict(silent.oddities).keys() == {"silent"}
    assert silent.level_db is silent.pitch_hz is silent.syllable_rate is None


@pytest.mark.parametrize("length", [1, 100, 1023])
def test_a_recording_may_be_shorter_than_a_frame(length):
    assert measures(np.full(length, 0.1)).seconds == length / SAMPLE_RATE


def test_of_a_long_recording_the_first_minute_tells_the_level(monkeypatch):
    monkeypatch.setattr("camser.data_check.measures.MAX_SECONDS", 3)
    samples = np.zeros(5 * SAMPLE_RATE)
    samples[: 2 * SAMPLE_RATE] = harmonic(200)
    loud = samples.copy()
    loud[-SAMPLE_RATE:] = 0.9
    assert measures(loud).level_db == measures(samples).level_db
    assert measures(loud).peak == pytest.approx(0.9)
