"""What the page and the HTTP service ask of a model, with every limit checked before the work."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from camser import audio
from camser.audio import SAMPLE_RATE, AudioError
from camser.cli.demo.limits import (
    MAX_SEGMENTS,
    MAX_VALUES,
    MAX_WINDOW,
    MIN_HOP,
    Limits,
    RequestRefused,
)
from camser.inference import EmotionClassifier, Prediction, Timeline
from camser.inference.prediction import check_threshold
from camser.inference.timeline import check_windows
from camser.segments import num_segments

ENVELOPE_BINS = 1200  # as many as a screen has columns
SHOWN_SECONDS = 12  # of the spectrogram: more would be a smear
Found = TypeVar("Found", Prediction, Timeline)


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
        [bins, 2], least and greatest sample of equal stretches; the last may be shorter.
    bin_seconds : float
        Length of a stretch.
    spectrogram : array
        [bins, frames of 10 ms], of the beginning.
    weights : dict of str to array
        Frame weights of the same beginning, [segments, frames]; empty where nothing is weighed.
    shown_seconds : float
        Length of that beginning.
    segment_seconds : float
        Of the model.
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
    """A model behind limits; its messages name files as they were uploaded, not where they lie.

    Arguments
    ---------
    classifier : EmotionClassifier
        The model.
    limits : Limits
        What may be asked for.
    """

    def __init__(self, classifier: EmotionClassifier, limits: Limits) -> None:
        self.classifier, self.limits = classifier, limits
        self.segment_seconds = classifier.segment_samples / SAMPLE_RATE

    def classify(self, path: str | None, threshold: float = 0.0) -> Prediction:
        """The emotion of an uploaded recording.

        Raises
        ------
        Refused
            If it is none, or too long, or the threshold is no probability.
        """
        with self._recording(path, threshold=threshold) as given:
            return self._own_name(self.classifier.classify(given, threshold=threshold))

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
            Seconds; a segment of the model, and 1, by default.
        smoothing : str, optional
            "mean" or "median", over five seconds; "none" or nothing for none.

        Raises
        ------
        Refused
            If it is no recording, or too long, or the settings are not allowed.
        """
        window = self.segment_seconds if window is None else window
        hop = min(1.0, window) if hop is None else hop
        smoothing = None if smoothing in (None, "", "none") else smoothing
        with self._recording(path, window=window, hop=hop, smoothing=smoothing) as given:
            return self._own_name(self.classifier.timeline(given, window, hop, smoothing))

    def analyse(self, path: str, window: float, hop: float) -> Analysis:
        """All that the page shows; errors as ``timeline``."""
        timeline = self.timeline(path, window, hop)
        with self._recording(path):
            size = math.ceil(timeline.seconds * SAMPLE_RATE / ENVELOPE_BINS)
            envelope = [(block.min(), block.max()) for block in audio.iter_chunks(path, size)]
            start = next(audio.iter_chunks(path, SHOWN_SECONDS * SAMPLE_RATE))
            return Analysis(
                self._own_name(self.classifier.classify(path)),
                timeline,
                np.array(envelope),
                size / SAMPLE_RATE,
                _spectrogram(start),
                self.classifier.attention(start),
                len(start) / SAMPLE_RATE,
                self.segment_seconds,
            )

    def _own_name(self, found: Found) -> Found:
        name = Path(found.source).name
        if isinstance(found, Prediction):
            return found._replace(source=name)
        return replace(found, source=name)

    @contextmanager
    def _recording(
        self,
        path: str | None,
        threshold: float = 0.0,
        window: float | None = None,
        hop: float = 1.0,
        smoothing: str | None = None,
    ) -> Iterator[str]:
        if not path:
            raise RequestRefused("There is no recording; upload a file, or record one")
        _check_numbers(threshold=threshold, window=window, hop=hop)
        try:
            check_threshold(threshold)
            if window is not None:
                check_windows(window, hop, smoothing, 1.0)
        except ValueError as error:
            raise RequestRefused(str(error)) from error
        try:
            seconds = self._check_seconds(path)
            if window is not None:
                self._check_work(seconds, window, hop)
            yield path
        except AudioError as error:  # the server's folders are nobody's business
            raise RequestRefused(str(error).replace(str(path), Path(path).name)) from error

    def _check_seconds(self, path: str) -> float:
        """How long a recording says it is; no more of it is decoded than that."""
        import soundfile

        next(audio.iter_chunks(path, 1))  # a file without a sound header is refused here
        told = soundfile.info(path)
        if told.duration > self.limits.seconds:
            raise RequestRefused(
                f"{Path(path).name} lasts {told.duration:.0f} s; allowed: "
                f"{self.limits.seconds:g} s. Send a part of it"
            )
        if told.frames * told.channels > MAX_VALUES:  # of silence, they are a small file
            raise RequestRefused(
                f"{Path(path).name} has {told.frames} samples in {told.channels} channels; "
                f"allowed: {MAX_VALUES} in all. Send it at a lower rate, or in one channel"
            )
        return told.duration

    def _check_work(self, seconds: float, window: float, hop: float) -> None:
        if hop < MIN_HOP or window > MAX_WINDOW:
            raise RequestRefused(
                f"window is {window:g} s and hop {hop:g} s; allowed: a hop of {MIN_HOP} s and "
                f"more, a window of {MAX_WINDOW:g} s and less"
            )
        each = num_segments(round(window * SAMPLE_RATE), self.classifier.segment_samples)
        found = math.ceil(seconds / hop) * each
        if found > MAX_SEGMENTS:
            raise RequestRefused(
                f"{seconds:.0f} s by {hop:g} s are {found} segments to compute; allowed: "
                f"{MAX_SEGMENTS}. Take a longer hop or a shorter window"
            )


def _check_numbers(**given: float | None) -> None:
    for name, value in given.items():
        if value is not None and not isinstance(value, (int, float)):
            raise RequestRefused(f"{name} is {value!r}; it must be a number")


def _spectrogram(wave: np.ndarray) -> np.ndarray:
    """[samples] -> [bins, frames], in [0, 1]"""
    import torch

    from camser.encoders.spectrogram import SpectrogramImage

    with torch.inference_mode():
        return SpectrogramImage()(torch.from_numpy(wave).unsqueeze(0))[0].numpy()
