"""From recordings to emotions, with any engine: what does not depend on how a model is run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from camser.audio import SAMPLE_RATE
from camser.audio.quality import QualityCheck
from camser.inference.inputs import is_recording
from camser.inference.prediction import Prediction, check_threshold, decide
from camser.inference.recordings import (
    SegmentStream,
    batched,
    named_segments,
    named_windows,
)
from camser.inference.streaming import EmbeddedRecording, OnError, stream_embeddings
from camser.inference.timeline import Timeline, check_windows

if TYPE_CHECKING:
    from camser.inference.inputs import Recording


class Recognizer(ABC):
    """A model that recognizes emotions; a subclass computes embeddings and probabilities.

    Attributes
    ----------
    labels : list of str
        The emotions, in the order of the classes.
    batch_size : int
        Number of segments that are computed together.
    segment_samples : int
        Samples of a segment, of the longest where segments are whole utterances.
    hop_samples : int
        Samples between the starts of two segments.
    utterance_rule : str
        What a recording has of its segments' embeddings, see ``stream_embeddings``.
    window_seconds : float
        Length of a timeline's window by default.
    """

    labels: list[str]
    batch_size: int
    segment_samples: int
    hop_samples: int
    utterance_rule: str
    window_seconds: float

    @property
    def _cut(self) -> tuple[int, int]:
        return self.segment_samples, self.hop_samples

    @overload
    def classify(  # type: ignore[overload-overlap]  # a path is also an iterable of letters
        self,
        recordings: Recording,
        sample_rate: int = ...,
        threshold: float = ...,
        require_speech: bool = ...,
    ) -> Prediction: ...

    @overload
    def classify(
        self,
        recordings: Iterable[Recording],
        sample_rate: int = ...,
        threshold: float = ...,
        require_speech: bool = ...,
    ) -> list[Prediction]: ...

    def classify(
        self,
        recordings: Recording | Iterable[Recording],
        sample_rate: int = SAMPLE_RATE,
        threshold: float = 0.0,
        require_speech: bool = False,
    ) -> Prediction | list[Prediction]:
        """Recognize the emotion of one recording, or of each of several.

        Arguments
        ---------
        recordings : recording, or iterable of those
            A recording is a path; an open binary file, or its bytes; an array of NumPy or PyTorch;
            (rate, array), as Gradio gives it, or (array, rate); or a mapping with "array" and
            "sampling_rate", with "bytes", or with "path", as in data sets of Hugging Face. Of an
            array's two axes, the longer is time, and the other, of up to 64, the channels.
        sample_rate : int
            Sampling rate of arrays that come without one, in Hz.
        threshold : float
            In [0, 1]. If the confidence is lower, ``emotion`` is None.
        require_speech : bool
            Whether a recording without speech is an error; by default it has a warning.

        Returns
        -------
        Prediction, or list of Prediction
            One for one recording; for several, a list in the same order.

        Raises
        ------
        AudioError
            If one of them is not a sound recording, or lacks required speech; it is named.
        """
        is_one = is_recording(recordings)
        several: Any = [recordings] if is_one else recordings
        found = list(self.stream(several, sample_rate, threshold, None, require_speech))
        return found[0] if is_one else found

    def stream(
        self,
        recordings: Iterable[Recording],
        sample_rate: int = SAMPLE_RATE,
        threshold: float = 0.0,
        on_error: OnError | None = None,
        require_speech: bool = False,
    ) -> Iterator[Prediction]:
        """Like ``classify``, for any number of recordings: yield each result when it is ready.

        Arguments
        ---------
        recordings, sample_rate, threshold, require_speech
            As for ``classify``.
        on_error : callable, optional
            Called with the name of a recording that is skipped, and the error; by default, raise.
        """
        check_threshold(threshold)
        options = sample_rate, *self._cut, lambda: QualityCheck(False, require_speech)
        segments = named_segments(recordings, *options)
        for found in self._stream(segments, on_error):
            values = self._probabilities([found.embedding])[0].tolist()
            probabilities = dict(zip(self.labels, values, strict=True))
            yield decide(found.source, probabilities, threshold, found.seconds, found.warnings)

    def timeline(
        self,
        recording: Recording,
        window: float | None = None,
        hop: float = 1.0,
        smoothing: str | None = None,
        smoothing_seconds: float = 5.0,
        sample_rate: int = SAMPLE_RATE,
        require_speech: bool = False,
    ) -> Timeline:
        """The emotions along a recording of any length, in bounded memory.

        Arguments
        ---------
        recording, sample_rate, require_speech
            As for ``classify``; a file is read in chunks.
        window : float, optional
            Length of each window, in seconds; by default ``window_seconds``.
        hop : float
            Seconds between the starts of two windows, at most ``window``.
        smoothing : str, optional
            "mean" or "median" of the probabilities of neighboring windows.
        smoothing_seconds : float
            Length of the smoothing filter, in seconds.

        Raises
        ------
        ValueError
            If window, hop or smoothing are not allowed.
        """
        window = self.window_seconds if window is None else window
        check_windows(window, hop, smoothing, smoothing_seconds)
        samples = round(window * SAMPLE_RATE), round(hop * SAMPLE_RATE)
        window, hop = (count / SAMPLE_RATE for count in samples)  # an error would add up over hops
        check, batches = QualityCheck(everywhere=True, require_speech=require_speech), []
        windows = named_windows(recording, sample_rate, *samples, *self._cut, check)
        for batch in batched(self._stream(windows), self.batch_size):
            batches.append(self._probabilities([window.embedding for window in batch]))
        probabilities = np.concatenate(batches)
        seconds = (len(probabilities) - 1) * hop + batch[-1].seconds
        speech = check.speech.shares(np.arange(len(probabilities)) * samples[1], samples[0])
        fields = seconds, probabilities, speech, check.warnings
        result = Timeline(batch[0].source, tuple(self.labels), window, hop, *fields)
        return result.smoothed(smoothing, smoothing_seconds) if smoothing else result

    def _stream(
        self, streams: Iterable[SegmentStream], on_error: OnError | None = None
    ) -> Iterator[EmbeddedRecording]:
        overlap = self.segment_samples - self.hop_samples
        options = self.batch_size, on_error, overlap, self.utterance_rule
        return stream_embeddings(streams, self._encode, *options)

    @abstractmethod
    def _encode(self, segments: Sequence[np.ndarray]) -> Sequence[Any]:
        """Segments of up to ``1 + segment_samples`` -> [embedding_size] each, in doubles"""

    @abstractmethod
    def _probabilities(self, embeddings: Sequence[Any]) -> np.ndarray:
        """Embeddings of recordings -> calibrated probabilities, [items, classes]"""
