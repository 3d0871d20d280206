"""What is no recording is refused in words that say what it is, and nothing is printed."""

import re

import numpy as np
import pytest

from camser.audio import AudioError, load

NOISE = np.random.default_rng(0).bytes(4000)
CONTENTS = {
    b"": "is empty; it has 0 bytes",
    b"version https://git-lfs.github.com/spec/v1\nsize 79824\n": "run `git lfs pull`",
    b"\n<!DOCTYPE html><html>": "is a web page (HTML)",
    b"\xef\xbb\xbf<html>": "is a web page (HTML)",
    b"PK\x03\x04" + NOISE: "is a ZIP archive; unpack it first",
    b"%PDF-1.7" + NOISE: "is a PDF",
    b"\x89PNG\r\n\x1a\n" + NOISE: "is an image (PNG)",
    b"\xff\xd8\xff\xe0" + NOISE: "is an image (JPEG)",
    b"#EXTM3U\nhttp://127.0.0.1/a.mp3\n": "is a playlist",
    b"RIFF": "is damaged, or in an encoding that neither",
    b"fLaC" + bytes(40): "is damaged, or in an encoding that neither",
    bytes(4000): "its first 1024 bytes are zero",
    b"no sound": "it begins with b'no sound'",
    np.linspace(-1, 1, 900).tobytes(): "is no recording in a known format",
}


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.txt", "a.raw", "a.m4a"])
@pytest.mark.parametrize("content", CONTENTS, ids=CONTENTS.values())
def test_what_is_no_recording_says_what_it_is(tmp_path, capfd, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError, match=re.escape(f"{path}: is ")) as error:
        load(path)
    assert CONTENTS[content] in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_name_that_the_system_refuses_is_reported(tmp_path):
    for name in (300 * "a", "a\0b", ""):
        with pytest.raises(AudioError, match="there is no such file"):
            load(name)


def test_a_playlist_in_disguise_opens_nothing(tmp_path):
    path = tmp_path / "list.mp3"
    path.write_text("ffconcat version 1.0\nfile /etc/passwd\n", encoding="utf-8")
    with pytest.raises(AudioError, match="it begins with b'ffconcat ver'"):
        load(path)
