"""What phones and browsers record is read, at its place in time."""

import numpy as np
import pytest

from camser.audio import SAMPLE_RATE, load
from robustness.fuzzing.encoded import encode, speech_like

# Codec, container, rate, the decoder's delay in samples at 16 kHz that no header declares, and how
# well the waveform is kept.
CASES = [
    ("aac", "ipod", 44100, 0, 0.99),
    ("aac", "mp4", 48000, 0, 0.99),
    ("aac", "mov", 16000, 0, 0.99),
    ("aac", "adts", 16000, 1024, 0.98),
    ("alac", "ipod", 44100, 0, 0.999),
    ("libopus", "webm", 48000, 0, 0.99),
    ("libopus", "ogg", 48000, 0, 0.99),
    ("libmp3lame", "mp3", 44100, 0, 0.99),
    ("libmp3lame", "wav", 44100, 401, 0.99),
    ("wmav2", "asf", 44100, -743, 0.95),
    ("libopencore_amrnb", "amr", 8000, 166, 0.4),
    ("libopencore_amrnb", "3gp", 8000, 66, 0.4),
    ("adpcm_ima_wav", "wav", 16000, 0, 0.99),
]


def lag(read, encoded):
    """By how many samples the one is later than the other, and their correlation there."""
    size = 2 * max(len(read), len(encoded))
    spectra = np.fft.rfft(read, size) * np.conj(np.fft.rfft(encoded, size))
    similar = np.fft.irfft(spectra, size)
    best = int(similar.argmax())
    norm = np.linalg.norm(read) * np.linalg.norm(encoded)
    return best - size * (best > size // 2), similar[best] / norm


@pytest.mark.parametrize(("codec", "form", "rate", "delay", "similarity"), CASES)
def test_it_is_read_at_its_place_in_time(tmp_path, codec, form, rate, delay, similarity):
    samples = speech_like(2.0, rate)
    bit_rate = {"wmav2": 64000, "libopencore_amrnb": 12200}.get(codec)
    path = tmp_path / "recording.wav"  # the suffix says nothing
    path.write_bytes(encode(samples, codec, form, rate, bit_rate=bit_rate))
    reference = tmp_path / "reference.flac"
    reference.write_bytes(encode(samples, "flac", "flac", rate))
    shift, correlation = lag(load(path), load(reference))
    assert abs(shift - delay) <= 2 and correlation > similarity
    assert abs(len(load(path)) - 2 * SAMPLE_RATE) < 2100  # a codec's last frame is padded


@pytest.mark.parametrize("channels", [1, 2])
def test_stereo_is_averaged(tmp_path, channels):
    path = tmp_path / "a.m4a"
    path.write_bytes(encode(speech_like(), "alac", "ipod", channels=channels))
    np.testing.assert_allclose(load(path) * 2**15, speech_like(), atol=1)
