"""What callers have: paths, bytes, open files, arrays with a rate, rows of data sets, uploads."""

import io
import socket
import tempfile
import threading
from http.client import HTTPResponse

import numpy as np
import pytest
import soundfile
import torch
from starlette.datastructures import UploadFile

from camser import audio
from camser.audio import AudioError
from camser.inference.inputs import is_recording, read_chunks, source_name

RATE = 22050


@pytest.fixture(scope="module")
def stereo():
    return np.random.default_rng(0).uniform(-0.5, 0.5, (5000, 2)).astype(np.float32)


@pytest.fixture(scope="module", params=["wav", "flac"])
def path(request, stereo, tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs") / f"a.{request.param}"
    subtype = "FLOAT" if request.param == "wav" else "PCM_24"
    soundfile.write(path, stereo, RATE, subtype)
    return path


def read(recording, sample_rate=16000):
    name = source_name(recording, 3)
    return np.concatenate([*read_chunks(recording, name, sample_rate, 1000)])


class Stream(io.RawIOBase):
    """A file that cannot be sought, as a pipe."""

    def __init__(self, content):
        self.content = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.content.readinto(buffer)


def test_a_file_and_its_content_are_the_same(path):
    content, expected = path.read_bytes(), audio.load(path)
    spooled = tempfile.SpooledTemporaryFile()  # of an upload  # noqa: SIM115
    spooled.write(content)
    with open(path, "rb") as file, spooled:
        file.read(20)
        for recording in (
            content, bytearray(content), memoryview(content), io.BytesIO(content), file, spooled,
            Stream(content), {"bytes": content, "path": "a.wav"}, {"path": str(path)},
            {"bytes": None, "path": path},
        ):  # fmt: skip
            np.testing.assert_array_equal(read(recording), expected)
        assert not file.closed


def test_a_response_in_chunks(path):
    content = path.read_bytes()
    sent = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in (content[:99], content[99:], b"")
    )
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        threading.Thread(target=lambda: (theirs.sendall(head + sent), theirs.close())).start()
        response = HTTPResponse(ours)
        response.begin()
        np.testing.assert_array_equal(read(response), audio.load(path))


def test_an_array_with_its_rate(stereo):
    tensor, expected = torch.tensor(stereo), read(stereo, RATE)
    for recording in (
        (RATE, stereo), (np.int64(RATE), stereo.T), (tensor.T, RATE), (tensor, RATE),
        (tensor.clone().requires_grad_(), RATE),
        {"array": stereo.T, "sampling_rate": RATE, "path": "gone.wav"},
        {"array": stereo.tolist(), "sampling_rate": RATE},
        {"array": stereo, "sampling_rate": float(RATE)},  # as pandas has them beside NaN
    ):  # fmt: skip
        assert is_recording(recording)
        np.testing.assert_array_equal(read(recording), expected)
    mono = stereo[:, 0]
    for recording in (mono[None], torch.tensor(mono)[None], mono[:, None]):
        np.testing.assert_array_equal(read(recording), mono)
    half = torch.tensor(mono).bfloat16()
    np.testing.assert_array_equal(read(half), half.float().numpy())


def test_the_longer_axis_is_time():
    square = np.zeros((3, 3), np.float32)
    square[:, 0] = 1
    np.testing.assert_array_equal(read(square), np.full(3, 1 / 3, np.float32))
    assert len(read(np.zeros((64, 65), np.float32))) == 65
    with pytest.raises(AudioError, match=r"array 3 has the shape \[65, 66\]; allowed: \[samples\]"):
        read(np.zeros((65, 66), np.float32))


def test_names(path):
    with open(path, "rb") as file:
        assert source_name(file, 0) == str(path)
    upload = UploadFile(io.BytesIO(), filename="a.m4a")
    assert source_name(upload, 0) == "a.m4a"
    assert source_name({"bytes": b"RIFF", "path": "b.wav"}, 0) == "b.wav"
    assert [source_name({"bytes": b""}, 1), source_name(io.BytesIO(), 2)] == ["file 1", "file 2"]
    assert source_name((16000, np.zeros(9)), 4) == "array 4"


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (b"", "file 3: is empty; it has 0 bytes"),
        (b"/tmp/a.wav", "file 3: is no recording in a known format; it begins with"),
        (io.StringIO("a"), "file 3 is open as text; open it with the mode 'rb'"),
        (
            UploadFile(io.BytesIO(), filename="a.wav"),
            "a.wav is an asynchronous UploadFile; give its",
        ),
        ({"array": [0.1]}, r"array 3 is a dict with the keys \['array'\]; give a path"),
        ({"array": ["a"], "sampling_rate": 16000}, "array 3 holds <U1; allowed: floats"),
        ((16000, np.zeros(0)), "array 3: holds no samples"),
        (np.zeros((0, 2)), "array 3: holds no samples"),
        ({"array": [0.1], "sampling_rate": "x"}, "array 3 is a dict with the keys"),
        (None, "array 3 is a NoneType; give a path, an open file or its bytes, an array"),
    ],
)
def test_what_is_no_recording(recording, message):
    with pytest.raises(AudioError, match=message):
        read(recording)


def test_a_closed_file(path):
    with open(path, "rb") as file:
        pass
    with pytest.raises(AudioError, match="is closed; give an open file, or its bytes"):
        read(file)


def test_one_recording_where_several_are_wanted(classifier, wave_path, wave):
    for recording, kind in ((str(wave_path), "str"), (wave, "ndarray"), (b"RIFF", "bytes")):
        for method in (classifier.embed, classifier.log_probabilities, classifier.stream):
            with pytest.raises(AudioError, match=rf"one recording, a {kind}; give a list: \["):
                list(method(recording))
    with pytest.raises(AudioError, match="recordings is None; give a path"):
        classifier.classify(None)


def test_a_classifier_takes_them(classifier, wave_path, wave):
    expected = classifier.classify(wave_path)
    content = wave_path.read_bytes()
    with open(wave_path, "rb") as file:
        found = classifier.classify(
            [content, (16000, wave), {"array": wave, "sampling_rate": 16000}]
        )
        found.append(classifier.classify(file))
        torch.testing.assert_close(*(classifier.load_audio(r) for r in (file, wave_path)))
    assert [p.source for p in found] == ["file 0", "array 1", "array 2", str(wave_path)]
    for prediction in found:
        assert prediction.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    assert classifier.timeline(content).turns() == classifier.timeline(wave_path).turns()
