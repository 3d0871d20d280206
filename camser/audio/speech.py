"""Which parts of a recording are speech, by Silero's voice activity detector.

Its network is a file in the package ``silero_vad``. The package is not imported, since it changes
PyTorch's number of threads.
"""

from __future__ import annotations

import functools
import os
from importlib import metadata
from typing import Any

import numpy as np

FRAME = 512  # samples, 32 ms
CONTEXT = 64  # samples before a frame that the network takes too
BLOCK = 16  # frames computed at a time: about half a second
MIN_PROBABILITY = 0.5  # of a frame of speech
NETWORK = "silero_vad/data/silero_vad_16k_sequence.onnx"


class SpeechDetector:
    """Finds the frames of a recording that are speech, while it is read.

    Arguments
    ---------
    to_first : bool
        Whether to stop at the first speech, to save time.

    Attributes
    ----------
    frames : bytearray
        A byte for each frame of 32 ms so far: 1 if it is speech.
    found : bool
        Whether any is.

    Example
    -------
    >>> detector = SpeechDetector()
    >>> detector.add(np.zeros(16000, np.float32))
    >>> detector.finish()
    >>> len(detector.frames), detector.found
    (32, False)
    """

    def __init__(self, to_first: bool = False) -> None:
        self.to_first = to_first
        self.frames, self.found = bytearray(), False
        self._rest = np.zeros(CONTEXT, np.float32)  # the context of the next frame, and its samples
        self._state = [np.zeros((1, 1, 128), np.float32)] * 2

    def add(self, samples: np.ndarray) -> None:
        """Continue with [samples], float32 at 16 kHz."""
        samples = np.concatenate([self._rest, samples])
        count = (len(samples) - CONTEXT) // FRAME
        for first in range(0, count, BLOCK):
            if self.to_first and self.found:
                return
            last = min(first + BLOCK, count)
            self._run(samples[first * FRAME : CONTEXT + last * FRAME])
        self._rest = samples[count * FRAME :].copy()

    def finish(self) -> None:
        """Pad the last frame with silence."""
        missing = -(len(self._rest) - CONTEXT) % FRAME
        if missing:
            self.add(np.zeros(missing, np.float32))

    def _run(self, samples: np.ndarray) -> None:
        frames = np.lib.stride_tricks.sliding_window_view(samples, CONTEXT + FRAME)[::FRAME]
        inputs = dict(zip("hc", self._state, strict=True), input=np.ascontiguousarray(frames))
        outputs = ["speech_probs", "hn", "cn"]
        probabilities, *self._state = _session(os.getpid()).run(outputs, inputs)
        is_speech = probabilities >= MIN_PROBABILITY
        self.frames += is_speech.tobytes()
        self.found |= bool(is_speech.any())

    def shares(self, starts: np.ndarray, num_samples: int) -> np.ndarray:
        """The share of frames that are speech, 0 to 1, in windows of the complete recording.

        Arguments
        ---------
        starts : array
            [windows], the first sample of each.
        num_samples : int
            Length of a window; the last windows may reach beyond the recording.
        """
        self.finish()
        count = np.concatenate([[0], np.cumsum(np.frombuffer(self.frames, bool))])
        first = starts // FRAME
        last = (-(-(starts + num_samples) // FRAME)).clip(max=len(self.frames))
        return (count[last] - count[first]) / (last - first)


@functools.lru_cache(maxsize=1)
def _session(process: int) -> Any:
    """The network, once per process: a forked process loads it again."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    path = metadata.distribution("silero-vad").locate_file(NETWORK)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
