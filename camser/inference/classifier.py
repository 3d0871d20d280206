"""A trained model for applications: from files and arrays to emotions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speechbrain.inference.classifiers import EncoderClassifier
from torch import Tensor, nn

from camser import audio
from camser.audio import SAMPLE_RATE
from camser.audio.quality import QualityCheck
from camser.inference.batches import attention_weights, check_batch_size, embed_segments
from camser.inference.engines import graph_for_engine, load
from camser.inference.hub import locate_model
from camser.inference.prediction import Prediction, check_threshold, decide
from camser.inference.pretrained import pretrained_arguments
from camser.inference.recordings import Recording, batched, named_segments, named_windows
from camser.inference.streaming import EmbeddedRecording, OnError, stream_embeddings
from camser.inference.timeline import WINDOW_SECONDS, Timeline, check_windows


class EmotionClassifier(EncoderClassifier):
    """SpeechBrain's ``EncoderClassifier`` for recordings of any format and length.

    ``from_pretrained`` reads only data. It runs no code from the folder. The methods of
    SpeechBrain's class (``classify_file``, ``classify_batch``, ``encode_batch``) work too. They
    return the log-probabilities that the trained system had in its test.

    Arguments
    ---------
    modules, hparams, **options
        Arguments of SpeechBrain's ``Pretrained``, see ``pretrained.pretrained_arguments``.
    batch_size : int
        Number of segments that are computed together.
    """

    def __init__(
        self, modules: dict[str, nn.Module], hparams: dict, batch_size: int = 16, **options: Any
    ) -> None:
        super().__init__(modules=modules, hparams=hparams, **options)
        model: Any = modules["embedding_model"]
        check_batch_size(model, batch_size)
        self.batch_size = batch_size
        self.labels: list[str] = list(self.hparams.labels)
        self.temperature = float(self.hparams.temperature)
        seconds = self.hparams.segment_seconds
        self.segment_samples = round(seconds * SAMPLE_RATE)
        self._cut = self.segment_samples, model.hop_samples.test
        self.window_seconds = WINDOW_SECONDS if model.trims_padding else seconds

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        device: str | None = None,
        batch_size: int = 16,
        compile: bool = False,
        revision: str | None = None,
        engine: str = "auto",
        threads: int | None = None,
    ) -> EmotionClassifier:
        """Load an exported model.

        Arguments
        ---------
        source : str or Path
            A folder made by ``camser export``, or its id on the Hugging Face hub: "user/name".
        device : str, optional
            "cpu", "cuda", "cuda:1"; by default the GPU, if there is one.
        batch_size : int
            Number of segments that are computed together.
        compile : bool
            Whether ``torch.compile`` compiles the model: slow to start, faster afterwards.
        revision : str, optional
            On the hub: a branch, a tag or a commit.
        engine, threads : optional
            The engine is "torch", "onnx", "onnx-int8" or "auto", see ``engines.load``.

        Raises
        ------
        ExportError
            If the folder is missing, damaged or of a newer format, or needs a package that is
            not installed.
        """
        folder = locate_model(source, revision, graph_for_engine(engine, device, compile))
        config, modules, device = load(folder, engine, device, threads, compile)
        compiled = {"compile": True, "compile_module_keys": ["embedding_model"]} if compile else {}
        run_opts = {"device": device, **compiled}
        return cls(*pretrained_arguments(config, modules), batch_size=batch_size, run_opts=run_opts)

    def load_audio(self, path: str | Path, savedir: str | None = None) -> Tensor:
        """A complete recording, [samples]; any format, sampling rate and number of channels."""
        return torch.from_numpy(audio.load(path)).to(self.device)

    def classify(
        self,
        recordings: Recording | Iterable[Recording],
        sample_rate: int = SAMPLE_RATE,
        threshold: float = 0.0,
        require_speech: bool = False,
    ) -> Any:  # with a union, every caller would need a type check
        """Recognize the emotion of one recording, or of each of several.

        Arguments
        ---------
        recordings : path, array, or iterable of those
            Files in any format, see ``audio.load``; arrays [samples] or [samples, channels].
        sample_rate : int
            Sampling rate of arrays, in Hz.
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
        options = sample_rate, threshold, None, require_speech
        if isinstance(recordings, Recording):
            return next(self.stream([recordings], *options))
        return list(self.stream(recordings, *options))

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
            values = self.calibrate(self._scores(found.embedding.unsqueeze(0)))[0].tolist()
            probabilities = dict(zip(self.labels, values, strict=True))
            yield decide(found.source, probabilities, threshold, found.seconds, found.warnings)

    def embed(self, recordings: Iterable[Recording], sample_rate: int = SAMPLE_RATE) -> Tensor:
        """The embeddings of recordings, [recordings, embedding_size]."""
        found = self._stream(named_segments(recordings, sample_rate, *self._cut))
        return torch.stack([recording.embedding for recording in found])

    def log_probabilities(
        self, recordings: Iterable[Recording], sample_rate: int = SAMPLE_RATE
    ) -> Tensor:
        """Log-probabilities as in the test of the run, not calibrated: [recordings, classes]."""
        return self._scores(self.embed(recordings, sample_rate))

    def calibrate(self, log_probabilities: Tensor) -> Tensor:
        """Probabilities [items, classes], with the export's temperature; 1 if not calibrated."""
        return (log_probabilities.double() / self.temperature).softmax(dim=1)

    def attention(
        self, recording: Recording, sample_rate: int = SAMPLE_RATE
    ) -> dict[str, np.ndarray]:
        """The attention weights of the frames by modality: [segments, frames].

        A segment has ``segment_samples`` samples, divided evenly into frames; if the model was
        tested on overlapping segments, these overlap as well. The last segment is
        padded with silence; where padding is trimmed, a shorter recording is a segment as it is.
        Empty if the fusion has no attention. Needs ``engine="torch"``.
        """
        (stream,) = named_segments([recording], sample_rate, *self._cut)
        options = self.segment_samples, self.batch_size, self.device
        return attention_weights(self.mods.embedding_model, stream.segments, *options)

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
        check, batches = QualityCheck(everywhere=True, require_speech=require_speech), []
        windows = named_windows(recording, sample_rate, *samples, *self._cut, check)
        for batch in batched(self._stream(windows), self.batch_size):
            scores = self._scores(torch.stack([window.embedding for window in batch]))
            batches.append(self.calibrate(scores).cpu().numpy())
        probabilities = np.concatenate(batches)
        seconds = (len(probabilities) - 1) * hop + batch[-1].seconds
        speech = check.speech.shares(np.arange(len(probabilities)) * samples[1], samples[0])
        fields = seconds, probabilities, speech, check.warnings
        result = Timeline(batch[0].source, tuple(self.labels), window, hop, *fields)
        return result.smoothed(smoothing, smoothing_seconds) if smoothing else result

    def _stream(
        self, streams: Iterable[Any], on_error: OnError | None = None
    ) -> Iterator[EmbeddedRecording]:
        size, step = self._cut
        options = self.batch_size, on_error, size - step, self.mods.embedding_model.utterance_rule
        return stream_embeddings(streams, self._encode, *options)

    @torch.inference_mode()
    def _encode(self, segments: Sequence[np.ndarray]) -> Tensor:
        """Segments of up to ``1 + segment_samples`` -> [segments, embedding_size]"""
        model = self.mods.embedding_model
        return embed_segments(model, segments, self.segment_samples, self.device)

    @torch.inference_mode()
    def _scores(self, embeddings: Tensor) -> Tensor:
        return self.mods.classifier(embeddings)
