"""Silero's speech detector: frame by frame as its own stream, in any chunks, in any process."""

import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from camser.audio import speech
from camser.audio.speech import CONTEXT, FRAME, SpeechDetector
from tests.helpers.recipe_runs import ROOT


def frames_of(samples, chunk=None, **options):
    """The detector's frames, after chunks of this length."""
    detector = SpeechDetector(**options)
    for start in range(0, len(samples), chunk or len(samples)):
        detector.add(samples[start : start + (chunk or len(samples))])
    detector.finish()
    return np.frombuffer(detector.frames, bool)


def stream(samples):
    """The frames by Silero's network for streams, which takes one frame at a time."""
    path = speech.metadata.distribution("silero-vad").locate_file("silero_vad/data/silero_vad.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    samples = np.pad(samples, (CONTEXT, -len(samples) % FRAME))
    state, rate, found = np.zeros((2, 1, 128), np.float32), np.array(16000), []
    for start in range(0, len(samples) - CONTEXT, FRAME):
        frame = samples[None, start : start + CONTEXT + FRAME]
        probability, state = session.run(None, {"input": frame, "state": state, "sr": rate})
        found.append(probability.item() >= 0.5)
    return np.array(found)


def test_its_frames_are_those_of_silero_s_own_stream(voice):
    samples = voice[:40001]
    expected = stream(samples)
    assert 0 < expected.mean() < 1 and (frames_of(samples) == expected).all()


@pytest.mark.parametrize("chunk", [1, 511, 513, 48000])
def test_chunks_of_any_length_give_the_same(voice, chunk):
    samples = voice[:20000]
    assert (frames_of(samples, chunk) == frames_of(samples)).all()


def test_it_can_stop_at_the_first_speech(voice):
    samples = np.concatenate([np.zeros(16000, np.float32), voice])
    short, whole = frames_of(samples, to_first=True), frames_of(samples)
    assert short.any() and (short == whole[: len(short)]).all() and len(short) < len(whole) / 4


def test_the_share_of_speech_in_windows():
    detector = SpeechDetector()
    detector.frames += bytes([0, 1, 1, 0])
    starts = np.array([0, FRAME, FRAME + 1, 3 * FRAME])
    assert detector.shares(starts, FRAME).tolist() == [0, 1, 1, 0]
    assert detector.shares(starts, 2 * FRAME).tolist() == [0.5, 1, 2 / 3, 0]
    assert detector.shares(np.array([0]), 1).tolist() == [0]


def test_a_window_in_the_last_part_of_a_frame_has_a_share():
    detector = SpeechDetector()
    detector.add(np.zeros(FRAME + 1, np.float32))
    assert detector.shares(np.array([0, FRAME]), FRAME).tolist() == [0, 0]


CODE = """
import os, sys
import numpy as np
from camser.audio.speech import SpeechDetector

def detect():
    detector = SpeechDetector()
    detector.add(np.zeros(16000, np.float32))
    assert len(detector.frames) == 31

detect()
assert "silero_vad" not in sys.modules
child = os.fork()
detect()
if child:
    print(os.waitpid(child, 0)[1])
"""


def test_it_runs_in_forked_processes_and_nothing_is_reported(tmp_path):
    """Silero's package is not imported, and onnxruntime leaves no identifier for its reports."""
    variables = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "CI")}
    environment = {**variables, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", CODE]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=120)
    assert (ended.stdout, ended.stderr, ended.returncode) == (b"0\n", b"", 0)
    assert not list(tmp_path.rglob("*onnxruntime*"))
