"""The form of a file is what its header says; nothing needs to be decoded."""

import pytest

from camser.audio.form import read_form
from robustness.fuzzing.encoded import encode, speech_like, wav

SAMPLES = speech_like(0.2)


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (wav(SAMPLES), ("wav", "pcm_16", 16000, 1)),
        (wav(SAMPLES, declared=0, riff=0), ("wav", "pcm_16", 16000, 1)),  # of a recorder's crash
        (encode(SAMPLES, "flac", "flac"), ("flac", "flac", 16000, 1)),
        (encode(SAMPLES, "aac", "ipod", 44100), ("mov", "aac", 44100, 1)),
        (encode(SAMPLES, "libopus", "webm", 48000), ("matroska", "opus", 48000, 1)),
        (b"<html></html>", None),
        (b"", None),
    ],
)
def test_the_form_is_that_of_the_content(tmp_path, content, form):
    path = tmp_path / "named.mp3"
    path.write_bytes(content)
    assert read_form(path) == form


def test_a_missing_file_has_none(tmp_path):
    assert read_form(tmp_path / "gone.wav") is None
