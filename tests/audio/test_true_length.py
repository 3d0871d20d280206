"""What a file says of its own length is not trusted: all samples that were encoded are read."""

from itertools import count

import numpy as np
import pytest

from camser.audio import SAMPLE_RATE, AudioError, load
from robustness.fuzzing.encoded import encode, speech_like, unknown_length, wav

SAMPLES = speech_like(2.0)
LIST = b"LIST\x0c\0\0\0INFOIART\0\0\0\0"
CUT = r"declares {:.2f} s and holds {:.2f} s; check that it is complete"


def read(path, content):
    """The samples of a file with this content, as int16, and the warnings."""
    path.write_bytes(content)
    warnings = []
    return np.round(load(path, warnings.append) * 2**15).astype(np.int16), warnings


@pytest.mark.parametrize(
    "content",
    [
        wav(SAMPLES),
        wav(SAMPLES, declared=0),  # of a recorder that crashed
        wav(SAMPLES, declared=0, riff=0),
        wav(SAMPLES, declared=len(SAMPLES) * 2 + 4),
        wav(SAMPLES, declared=len(SAMPLES) * 2 + 44),  # the header is counted, too
        wav(SAMPLES, declared=0xFFFFFFFF),  # of FFmpeg, in a pipe
        wav(SAMPLES, declared=0x7FFFF000),  # of SoX
        wav(SAMPLES, after=LIST),
        wav(SAMPLES, after=b"TAG" + bytes(125)),
        wav(SAMPLES, after=LIST[:-6]),
        unknown_length(encode(SAMPLES, "flac", "flac")),
        unknown_length(encode(SAMPLES, "flac", "flac"), declared=len(SAMPLES) // 2),
        encode(SAMPLES, "flac", "oga"),
        encode(SAMPLES, "flac", "matroska"),
        encode(SAMPLES, "alac", "ipod"),
        encode(SAMPLES, "pcm_s16be", "caf"),
        encode(SAMPLES, "pcm_s16le", "avi"),
    ],
    ids=count(),  # of bytes, some are random
)
def test_all_samples_are_read_and_nothing_else(tmp_path, content):
    samples, warnings = read(tmp_path / "a", content)
    np.testing.assert_array_equal(samples, SAMPLES)
    assert warnings == []


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (wav(SAMPLES, declared=len(SAMPLES) * 4), CUT.format(4, 2)),
        # of a file above 4 GiB, whose size has wrapped, or of one that is still being written
        (wav(SAMPLES, declared=len(SAMPLES)), "declares 1.00 s and holds 2.00 s; all were read"),
        (
            unknown_length(encode(SAMPLES, "flac", "flac"), declared=2 * len(SAMPLES)),
            CUT.format(4, 2),
        ),
        (
            wav(SAMPLES, after=wav(SAMPLES)),
            "another WAV follows in it; only the first was read",
        ),
    ],
    ids=count(),
)
def test_what_differs_from_the_declared_length_is_told(tmp_path, content, warning):
    samples, warnings = read(tmp_path / "a", content)
    np.testing.assert_array_equal(samples, SAMPLES)
    assert warnings == [warning]


@pytest.mark.parametrize("subtype_bytes", [2])
@pytest.mark.parametrize("lost", [100, 20001, 50000])
def test_of_a_wav_that_is_cut_short_the_rest_is_read(tmp_path, lost, subtype_bytes):
    samples, warnings = read(tmp_path / "a", wav(SAMPLES)[:-lost])
    np.testing.assert_array_equal(samples, SAMPLES[: len(SAMPLES) - -(-lost // subtype_bytes)])
    assert len(warnings) == (lost > 3200)  # a twentieth of a second


@pytest.mark.parametrize(
    ("codec", "form"), [("flac", "flac"), ("libopus", "ogg"), ("libmp3lame", "mp3")]
)
def test_what_is_cut_short_is_told(tmp_path, codec, form):
    content = encode(speech_like(2.0, 48000), codec, form, 48000)
    samples, warnings = read(tmp_path / "a", content[: len(content) * 6 // 10])
    assert 0.8 * SAMPLE_RATE < len(samples) < 1.6 * SAMPLE_RATE
    assert any("check that it is complete" in warning for warning in warnings)


def test_what_is_cut_before_its_index_is_refused(tmp_path):
    content = encode(SAMPLES, "aac", "ipod")
    with pytest.raises(AudioError, match=r"/a: is damaged, or in an encoding that neither"):
        read(tmp_path / "a", content[: len(content) // 2])


@pytest.mark.parametrize(
    ("codec", "form", "rate", "extra"),
    [
        ("libmp3lame", "mp3", 16000, 2 * 1152),  # the second's delay and header stay
        ("libopus", "ogg", 48000, 0),
        ("aac", "adts", 16000, 4 * 1024),
    ],
)
def test_joined_files_are_read_to_the_end_of_the_last(tmp_path, codec, form, rate, extra):
    one, two = (encode(speech_like(2.0, rate, seed), codec, form, rate) for seed in (0, 1))
    samples, _ = read(tmp_path / "a", one + two)
    assert 4 * SAMPLE_RATE <= len(samples) <= 4 * SAMPLE_RATE + extra


def test_a_rate_that_changes_on_the_way_is_followed(tmp_path):
    parts = [encode(speech_like(2.0, rate), "libmp3lame", "mp3", rate) for rate in (16000, 44100)]
    samples, _ = read(tmp_path / "a", b"".join(parts))
    assert 4 * SAMPLE_RATE <= len(samples) <= 4 * SAMPLE_RATE + 4 * 1152


@pytest.mark.parametrize(
    ("codec", "form"), [("aac", "adts"), ("flac", "flac"), ("libmp3lame", "mp3")]
)
def test_damaged_packets_are_skipped_and_counted(tmp_path, codec, form):
    content = bytearray(encode(SAMPLES, codec, form))
    middle = len(content) // 2
    content[middle : middle + 200] = b"\xff" * 200
    samples, warnings = read(tmp_path / "a", bytes(content))
    assert 0.7 * len(SAMPLES) < len(samples) < 1.1 * len(SAMPLES)
    assert warnings


def test_a_rate_that_no_number_holds_is_refused(tmp_path):
    content = bytearray(wav(SAMPLES, declared=0))
    content[24:28] = b"\xff\xff\xff\xff"
    with pytest.raises(AudioError, match="/a: "):
        read(tmp_path / "a", bytes(content))
