"""Every format, rate and channel count becomes 16 kHz mono; what is broken is refused by name."""

import re

import numpy as np
import pytest
import soundfile

from camser.audio import SAMPLE_RATE, AudioError, load

RATES = (8000, 22050, 44100, 48000)


def sine(frequency=1000, seconds=1.0, rate=SAMPLE_RATE, level=0.5):
    return level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, num_samples)


def write(path, samples, rate=SAMPLE_RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options", "step"),
    [
        ("a.wav", {}, 2**-15),
        ("a.wav", {"subtype": "PCM_U8"}, 2**-7),
        ("a.wav", {"subtype": "PCM_24"}, 2**-23),
        ("a.wav", {"subtype": "FLOAT"}, 2**-24),
        ("a.flac", {}, 2**-15),
        ("a.flac", {"subtype": "PCM_24"}, 2**-23),
    ],
)
def test_what_is_written_is_read_to_one_step_of_the_format(tmp_path, name, options, step):
    samples = noise(5001)
    loaded = load(write(tmp_path / name, samples, **options))
    assert loaded.dtype == np.float32 and loaded.shape == samples.shape
    assert np.abs(loaded - samples).max() <= step


@pytest.mark.parametrize("channels", [2, 3])
def test_channels_are_averaged(tmp_path, channels):
    samples = noise((4000, channels)).astype(np.float32)
    loaded = load(write(tmp_path / "a.wav", samples, subtype="FLOAT"))
    np.testing.assert_allclose(loaded, samples.mean(axis=1), rtol=0, atol=2**-23)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_another_rate_keeps_a_tones_frequency_level_and_time(tmp_path, rate, channels):
    path = write(tmp_path / "a.wav", np.stack([sine(rate=rate)] * channels, axis=1), rate)
    loaded = load(path)
    assert loaded.dtype == np.float32
    middle = slice(1600, 14400)  # the filter rings at the ends
    # -60 dB of the tone: a Hz, 0.01 dB or a twentieth of a sample would show
    assert np.abs(loaded[middle] - sine()[middle]).max() < 0.5e-3


@pytest.mark.parametrize("rate", RATES)
def test_another_rate_gives_the_length_in_seconds_to_one_sample(tmp_path, rate):
    for num_samples in (rate // 100, rate // 3 + 1, rate, 2 * rate + 7):
        loaded = load(write(tmp_path / "a.wav", noise(num_samples), rate))
        assert abs(len(loaded) - num_samples * SAMPLE_RATE / rate) <= 1


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_what_16_khz_cannot_hold_is_removed(tmp_path, rate):
    loaded = load(write(tmp_path / "a.wav", sine(9500, rate=rate), rate))
    assert np.abs(loaded[1600:14400]).max() < 0.5e-4  # 80 dB down


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "gone.wav", tmp_path):
        with pytest.raises(AudioError, match=re.escape(f"{path}: there is no such file")):
            load(path)


@pytest.mark.parametrize("name", ["a.wav", "a.ogg"])
def test_a_file_without_samples_is_refused(tmp_path, name):
    path = write(tmp_path / name, np.zeros(0))
    with pytest.raises(AudioError, match=re.escape(f"{path}: holds no samples")):
        load(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate", [SAMPLE_RATE, 44100])
def test_samples_that_are_no_numbers_are_refused(tmp_path, value, rate):
    samples = noise((2000, 2))
    samples[1234, 1] = value
    path = write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    with pytest.raises(AudioError, match=re.escape(f"{path}: holds NaN or infinite samples")):
        load(path)


def test_a_rate_below_8_khz_is_refused(tmp_path):
    path = write(tmp_path / "a.wav", noise(1000), 4000)
    with pytest.raises(AudioError, match=r"a\.wav: sampled at 4000 Hz; allowed: 8000 to 1000000"):
        load(path)
