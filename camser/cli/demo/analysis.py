"""The results of the page and the HTTP API. Every limit is checked before the computation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from camser import audio
from camser.audio import SAMPLE_RATE
from camser.cli.demo.limits import (
    MAX_SEGMENTS,
    MAX_VALUES,
    MAX_WINDOW,
    MIN_HOP,
    Limits,
    RequestRefused,
)
from camser.encoders.spectrogram import SpectrogramImage
from camser.inference import EmotionClassifier, Prediction, Timeline
from camser.inference.prediction import check_threshold
from camser.inference.timeline import check_windows
from camser.segments import num_segments

ENVELOPE_BINS = 1200  # as many as a screen has columns
SHOWN_SECONDS = 12  # of the spectrogram: more would be a smear


@dataclass(frozen=True)
class Analysis:
    """All that the page shows of a recording.

    Arguments
    ---------
    prediction : Prediction
        The decision, at the threshold 0.
    timeline : Timeline
        Not smoothed.
    envelope : array
        [bins, 2], minimum and maximum of equal bins of samples; the last may be shorter.
    bin_seconds : float
        Length of a bin.
    spectrogram : array
        [bins, frames of 10 ms], of the beginning.
    weights : dict of str to array
        Attention weights of the same beginning, [segments, frames]; empty if there are none.
    shown_seconds : float
        Length of that beginning.
    segment_seconds : float
        Length of a segment, which its frames divide.
    """

    prediction: Prediction
    timeline: Timeline
    envelope: np.ndarray
    bin_seconds: float
    spectrogram: np.ndarray
    weights: dict[str, np.ndarray]
    shown_seconds: float
    segment_seconds: float


class DemoModel:
    """A model behind limits. Its messages show the name of an upload, not its path.

    Arguments
    ---------
    classifier : EmotionClassifier
        The model.
    limits : Limits
        Limits of requests.
    """

    def __init__(self, classifier: EmotionClassifier, limits: Limits) -> None:
        self.classifier, self.limits = classifier, limits
        self.window_seconds = classifier.window_seconds

    def classify(self, path: str | None, threshold: float | None = None) -> Prediction:
        """The emotion of an uploaded recording; without a threshold, the most probable one.

        Raises
        ------
        RequestRefused
            If it is none, or too long, or the threshold is no probability.
        """
        with _naming_uploads(path) as path:
            threshold = 0.0 if threshold is None else float(threshold)
            check_threshold(threshold)
            self._check_seconds(path)
            found = self.classifier.classify(path, threshold=threshold)
            return replace(found, source=Path(path).name)

    def timeline(
        self,
        path: str | None,
        window: float | None = None,
        hop: float | None = None,
        smoothing: str | None = None,
    ) -> Timeline:
        """The emotions along an uploaded recording.

        Arguments
        ---------
        path : str
            The upload.
        window, hop : float, optional
            Seconds; by default ``EmotionClassifier.window_seconds``, and 1.
        smoothing : str, optional
            "mean" or "median", over five seconds; "none" or nothing for none.

        Raises
        ------
        RequestRefused
            If it is no recording, or too long, or the settings are not allowed.
        """
        with _naming_uploads(path) as path:
            window = self.window_seconds if window is None else float(window)
            hop = min(1.0, window) if hop is None else float(hop)
            smoothing = None if smoothing in ("", "none") else smoothing
            check_windows(window, hop, smoothing, 1.0)
            self._check_work(self._check_seconds(path), window, hop)
            found = self.classifier.timeline(path, window, hop, smoothing)
            return replace(found, source=Path(path).name)

    def analyse(self, path: str, window: float, hop: float) -> Analysis:
        """All that the page shows; errors as ``timeline``."""
        timeline = self.timeline(path, window, hop)
        size = math.ceil(timeline.seconds * SAMPLE_RATE / ENVELOPE_BINS)
        envelope = [(chunk.min(), chunk.max()) for chunk in audio.iter_chunks(path, size, _no_log)]
        start = next(audio.iter_chunks(path, SHOWN_SECONDS * SAMPLE_RATE, _no_log))
        return Analysis(
            self.classify(path),
            timeline,
            np.array(envelope),
            size / SAMPLE_RATE,
            _spectrogram(start),
            self.classifier.attention(start),
            len(start) / SAMPLE_RATE,
            self._segment_samples(len(start)) / SAMPLE_RATE,
        )

    def _segment_samples(self, shown: int) -> int:
        """The samples that the frames of a segment cover."""
        longest = self.classifier.segment_samples
        is_trimmed = self.classifier.mods["embedding_model"].trims_padding
        return min(shown, longest) if is_trimmed else longest

    def _check_seconds(self, path: str) -> float:
        """The duration, by decoding: what a file says of its own length is not trusted."""
        lengths, seconds, values = Counter[int](), 0.0, 0
        for rate, samples in audio.decode(path, _no_log):
            lengths[rate] += len(samples)
            seconds, values = sum(n / r for r, n in lengths.items()), values + samples.size
            if seconds > self.limits.seconds:
                raise RequestRefused(
                    f"{path} is too long; allowed: {self.limits.seconds:g} s. "
                    f"Send a shorter recording"
                )
            if values > MAX_VALUES:  # a small file can hold much silence
                raise RequestRefused(
                    f"{path} has more than {MAX_VALUES} samples in all channels, which is the most "
                    f"allowed. Send it at a lower rate, or in one channel"
                )
        return seconds

    def _check_work(self, seconds: float, window: float, hop: float) -> None:
        if hop < MIN_HOP or window > MAX_WINDOW:
            raise RequestRefused(
                f"window is {window:g} s and hop {hop:g} s; allowed: a hop of {MIN_HOP} s and "
                f"more, a window of {MAX_WINDOW:g} s and less"
            )
        unit = round(self.window_seconds * SAMPLE_RATE)
        per_window = num_segments(round(window * SAMPLE_RATE), unit)
        total = math.ceil(seconds / hop) * per_window
        if total > MAX_SEGMENTS:
            raise RequestRefused(
                f"{seconds:.0f} s by {hop:g} s are {total} segments to compute; allowed: "
                f"{MAX_SEGMENTS}. Take a longer hop or a shorter window"
            )


def _no_log(warning: str) -> None:
    """Warnings come with the prediction; a log would name the upload."""


@contextmanager
def _naming_uploads(path: str | None) -> Iterator[str]:
    """Refuse what has errors; a client must not see the folders of the server."""
    if not path:
        raise RequestRefused("There is no recording; upload a file, or record one")
    try:
        yield path
    except ValueError as error:
        raise RequestRefused(str(error).replace(path, Path(path).name)) from error


def _spectrogram(waveform: np.ndarray) -> np.ndarray:
    """[samples] -> [bins, frames], in [0, 1]"""
    with torch.inference_mode():
        return SpectrogramImage()(torch.from_numpy(waveform).unsqueeze(0))[0].numpy()
