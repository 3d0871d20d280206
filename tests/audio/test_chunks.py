"""Blocks of a recording: what ``load`` gives, bit for bit, and its errors, in bounded memory."""

import tracemalloc

import librosa
import numpy as np
import pytest
import soundfile

from camser.audio import SAMPLE_RATE, AudioError, iter_chunks, load

RATES = (8000, SAMPLE_RATE, 22050, 44100, 48000)
FORMATS = {
    "wav": ({"format": "WAV"}, 0),
    "flac": ({"format": "FLAC"}, 0),
    "ogg": ({"format": "OGG", "subtype": "VORBIS"}, 1e-5),  # two decoders differ by so much
    "opus": ({"format": "OGG", "subtype": "OPUS"}, 1e-3),
    "mp3": ({"format": "MP3"}, 1e-5),
}
CASES = [(f, r) for f in FORMATS for r in RATES if f != "opus" or r == 48000]


def noise(num_samples, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (num_samples, channels))


def write(path, samples, rate=SAMPLE_RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def oracle(path):
    """Read whole, average, resample whole, by the libraries' own functions."""
    with soundfile.SoundFile(path) as file:
        samples = file.read(file.frames, dtype="float32", always_2d=True).mean(axis=1)
        rate = file.samplerate
    return librosa.resample(samples, orig_sr=rate, target_sr=SAMPLE_RATE, res_type="soxr_hq")


@pytest.mark.parametrize(("kind", "rate"), CASES)
@pytest.mark.parametrize("channels", [1, 2])
def test_joined_blocks_are_the_whole_to_the_bit_whatever_their_size(tmp_path, kind, rate, channels):
    options, tolerance = FORMATS[kind]
    path = write(tmp_path / "a", noise(3 * rate + 7, channels), rate, **options)
    whole = load(path)
    np.testing.assert_allclose(whole, oracle(path), rtol=0, atol=tolerance)
    for size in (997, SAMPLE_RATE, len(whole) // 2, len(whole), len(whole) + 1):
        parts = list(iter_chunks(path, size))
        assert all(len(part) == size for part in parts[:-1]) and 0 < len(parts[-1]) <= size
        assert all(part.dtype == np.float32 for part in parts)
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("rate", [*RATES, 11025, 96000, 192000])
def test_the_length_is_the_duration_rounded_up_from_one_frame_on(tmp_path, rate):
    for num_frames in (1, 2, 3, 10, 100, 999, rate // 3, rate + 1):
        path = write(tmp_path / "a.wav", noise(num_frames), rate)
        assert len(load(path)) == -(-num_frames * SAMPLE_RATE // rate)
        np.testing.assert_array_equal(load(path), oracle(path))
        np.testing.assert_array_equal(np.concatenate(list(iter_chunks(path, 50))), oracle(path))


@pytest.mark.parametrize("rate", [8000, SAMPLE_RATE])
def test_a_format_without_seeking_is_read_too(tmp_path, rate):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    path = write(tmp_path / "telephone.wav", tone, rate, subtype="GSM610")
    whole = load(path)
    np.testing.assert_array_equal(whole, oracle(path))
    np.testing.assert_array_equal(np.concatenate(list(iter_chunks(path, 700))), whole)


def spoilt(path, rate, value):
    samples = noise(2 * rate)
    samples[-10] = value
    return write(path, samples, rate, subtype="FLOAT")


BROKEN = {
    "missing": lambda folder: folder / "gone.wav",
    "a folder": lambda folder: folder,
    "no sound": lambda folder: write_text(folder / "a.wav", "no sound"),
    "no header": lambda folder: write_text(folder / "a.raw", "no header"),
    "empty": lambda folder: write(folder / "a.wav", noise(0)),
    "slow": lambda folder: write(folder / "a.wav", noise(1000), 4000),
    "damaged": lambda folder: write_text(folder / "a.flac", "fLaC" + 99 * "x"),
    "NaN": lambda folder: spoilt(folder / "a.wav", SAMPLE_RATE, np.nan),
    "infinity": lambda folder: spoilt(folder / "a.wav", 44100, np.inf),
}


def write_text(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("mistake", BROKEN)
def test_what_is_broken_is_refused_in_loads_words(tmp_path, mistake):
    path = BROKEN[mistake](tmp_path)
    with pytest.raises(AudioError) as whole:
        load(path)
    with pytest.raises(AudioError) as blockwise:
        list(iter_chunks(path, 1000))
    assert str(blockwise.value) == str(whole.value) and str(path) in str(whole.value)


def test_the_blocks_before_a_mistake_are_given(tmp_path):
    path = spoilt(tmp_path / "a.wav", SAMPLE_RATE, np.nan)
    stream = iter_chunks(path, 1000)
    assert len(next(stream)) == 1000
    with pytest.raises(AudioError, match="NaN"):
        list(stream)


def test_blocks_hold_a_sample_or_more(tmp_path):
    path = write(tmp_path / "a.wav", noise(1000))
    with pytest.raises(ValueError, match="windows of 0 samples"):
        next(iter_chunks(path, 0))


@pytest.mark.parametrize("rate", [SAMPLE_RATE, 44100])
def test_memory_does_not_grow_with_the_recording(tmp_path, rate):
    """Two minutes of 44.1 kHz stereo are 42 megabytes decoded; a second of it is in memory."""
    path = write(tmp_path / "long.wav", np.tile(noise(rate, 2), (120, 1)), rate)
    next(iter_chunks(path, SAMPLE_RATE))  # imports
    tracemalloc.start()
    try:
        assert sum(len(block) for block in iter_chunks(path, SAMPLE_RATE)) == 120 * SAMPLE_RATE
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2e6  # bytes
