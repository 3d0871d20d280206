"""A trained model for applications: from files and arrays to emotions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from speechbrain.inference.classifiers import EncoderClassifier
from torch import Tensor, nn

from camser.audio import SAMPLE_RATE
from camser.inference.batches import attention_weights, check_batch_size, embed_segments
from camser.inference.engines import load, resolve_device
from camser.inference.graphs import graph_for_engine
from camser.inference.hub import locate_model
from camser.inference.inputs import read_chunks, source_name
from camser.inference.prediction import calibrate
from camser.inference.pretrained import CHUNK_SAMPLES, pretrained_arguments
from camser.inference.recognizer import Recognizer
from camser.inference.recordings import named_segments
from camser.inference.timeline import WINDOW_SECONDS

if TYPE_CHECKING:
    from camser.inference.inputs import Recording


Self = TypeVar("Self", bound="EmotionClassifier")
DTYPES = ("float32", "bfloat16")


def check_dtype(dtype: str, device: str) -> None:
    """Raise a ValueError unless a device computes in a type of ``DTYPES``."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype!r}; allowed: {', '.join(DTYPES)}")
    is_gpu = dtype == "bfloat16" and device.startswith("cuda")
    if is_gpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ValueError(f"{device} has no bfloat16; give dtype='float32'")


class EmotionClassifier(Recognizer, EncoderClassifier):
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
    dtype : str
        "float32", or "bfloat16" for the products of matrices in ``classify`` and its like.
    """

    def __init__(
        self,
        modules: dict[str, nn.Module],
        hparams: dict[str, Any],
        batch_size: int = 16,
        dtype: str = "float32",
        **options: Any,
    ) -> None:
        super().__init__(modules=modules, hparams=hparams, **options)
        model: Any = modules["embedding_model"]
        check_batch_size(batch_size, model.max_segments())
        self.batch_size, self.dtype = batch_size, dtype
        check_dtype(dtype, str(self.device))
        self.labels: list[str] = list(self.hparams.labels)
        self.temperature = float(self.hparams.temperature)
        seconds = self.hparams.segment_seconds
        self.segment_samples = round(seconds * SAMPLE_RATE)
        self.hop_samples, self.utterance_rule = model.hop_samples.test, model.utterance_rule
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
        dtype: str = "float32",
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
        dtype : str
            "float32", or "bfloat16", faster on processors that have it; it needs PyTorch. Measured
            with a small model on a CPU, no decision on 241 synthetic recordings changed, and
            probabilities by at most 0.006.

        Raises
        ------
        ExportError
            If the folder is missing, damaged or of a newer format, or needs a package that is
            not installed.
        """
        needs_torch = compile or dtype != "float32"
        graph = graph_for_engine(engine, resolve_device(engine, device), needs_torch)
        folder = locate_model(source, revision, graph)
        config, modules, device = load(folder, engine, device, threads, needs_torch)
        compiled = {"compile": True, "compile_module_keys": ["embedding_model"]} if compile else {}
        run_opts = {"device": device, **compiled}
        arguments = pretrained_arguments(config, modules)
        return cls(*arguments, batch_size=batch_size, dtype=dtype, run_opts=run_opts)

    def _apply(self: Self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What ``to``, ``cuda`` and ``cpu`` call: inputs must follow the weights."""
        super()._apply(fn, recurse)
        weights = itertools.chain(self.mods.parameters(), self.mods.buffers())
        if (first := next(weights, None)) is not None:
            check_dtype(self.dtype, str(first.device))
            self.device, self.device_type = str(first.device), first.device.type
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """Nothing: a trained model is only used in evaluation mode, whatever calls this."""
        return super().train(False)

    def load_audio(self, path: Recording, savedir: str | None = None) -> Tensor:
        """A complete recording, see ``classify``: [samples]."""
        name = source_name(path, 0)
        chunks = read_chunks(path, name, SAMPLE_RATE, CHUNK_SAMPLES)
        return torch.from_numpy(np.concatenate(list(chunks))).to(self.device)

    def embed(self, recordings: Iterable[Recording], sample_rate: int = SAMPLE_RATE) -> Tensor:
        """The embeddings of recordings, [recordings, embedding_size]."""
        found = self._stream(named_segments(recordings, sample_rate, *self._cut))
        return torch.stack([recording.embedding for recording in found]).float()

    def log_probabilities(
        self, recordings: Iterable[Recording], sample_rate: int = SAMPLE_RATE
    ) -> Tensor:
        """Log-probabilities as in the test of the run, not calibrated: [recordings, classes]."""
        return self._scores(self.embed(recordings, sample_rate))

    def calibrate(self, log_probabilities: Tensor) -> Tensor:
        """Probabilities [items, classes], with the export's temperature; 1 if not calibrated."""
        found = calibrate(log_probabilities.detach().cpu().numpy(), self.temperature)
        return torch.from_numpy(found).to(log_probabilities.device)

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
        model: Any = self.mods.embedding_model

        def weigh(padded: np.ndarray, num_samples: np.ndarray) -> dict[str, np.ndarray]:
            wavs, counts = self._tensors(padded, num_samples)
            found = model.intermediates(wavs, None, counts).attention_weights
            return {name: values.float().cpu().numpy() for name, values in found.items()}

        options = self.segment_samples, self.batch_size, model.trims_padding
        return attention_weights(weigh, stream.segments, *options)

    @torch.inference_mode()
    def _encode(self, segments: Sequence[np.ndarray]) -> Sequence[Tensor]:
        model: Any = self.mods.embedding_model

        def embed(padded: np.ndarray, num_samples: np.ndarray) -> Tensor:
            # Not encode_batch: it takes recordings, and would cut them, which waits for a GPU.
            wavs, counts = self._tensors(padded, num_samples)
            # One context a call: threads cannot share one.
            with torch.autocast(self.device_type, torch.bfloat16, self.dtype == "bfloat16"):
                return model(wavs, num_samples=counts).double()

        return embed_segments(embed, segments, self.segment_samples, model.trims_padding)

    def _tensors(self, *arrays: np.ndarray) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(array).to(self.device) for array in arrays)

    def _probabilities(self, embeddings: Sequence[Tensor]) -> np.ndarray:
        return self.calibrate(self._scores(torch.stack([*embeddings]).float())).cpu().numpy()

    @torch.inference_mode()
    def _scores(self, embeddings: Tensor) -> Tensor:
        return self.mods.classifier(embeddings)
