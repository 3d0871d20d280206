"""The ONNX file of an exported model, used instead of its PyTorch model."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from packaging.version import Version
from torch import Tensor, nn

from camser.inference.export_files import REEXPORT_HINT, ExportError
from camser.runtime.messages import one_line
from camser.runtime.resource_errors import is_out_of_memory
from camser.segments import Hops

TAKES, BEFORE, GIVES = {"wavs", "lens"}, "before", "embeddings"
MIN_VERSION = Version("1.26.0")  # see SECURITY.md; older versions cannot run all our files


def unavailable_reason() -> str | None:
    """The reason why onnxruntime cannot be used here, or None if it can."""
    try:
        version = Version(metadata.version("onnxruntime"))
    except metadata.PackageNotFoundError:
        return "onnxruntime is not installed"
    return (
        f"onnxruntime is {version}; at least {MIN_VERSION} is needed"
        if version < MIN_VERSION
        else None
    )


class OnnxEncoder(nn.Module):
    """Utterances to embeddings, like ``UtteranceEncoder``, with onnxruntime on the CPU.

    A graph is only data: onnxruntime refuses unknown operators, and weights outside of the folder
    of the file.

    Arguments
    ---------
    path : Path
        Written by ``camser export --onnx`` or ``--int8``.
    threads : int, optional
        Threads per operator; by default as many as PyTorch uses.
    embedding_size : int, optional
        Expected size of each embedding.
    trims_padding : bool
        As for ``MultimodalEncoder``.
    hop_samples, utterance_rule : optional
        As for ``UtteranceEncoder``.

    Raises
    ------
    ExportError
        If onnxruntime is not installed, or the file is not such a model. In ``forward``: if the
        graph fails or returns no embeddings.
    """

    def __init__(
        self,
        path: Path,
        threads: int | None = None,
        embedding_size: int | None = None,
        trims_padding: bool = False,
        hop_samples: Hops | None = None,
        utterance_rule: str = "mean",
    ) -> None:
        super().__init__()
        self.path, self.embedding_size = path.resolve(), embedding_size
        self.trims_padding = trims_padding
        self.hop_samples, self.utterance_rule = hop_samples, utterance_rule
        self.threads = threads or torch.get_num_threads()
        self.session = _load_session(path, self.threads)
        outputs = {output.name for output in self.session.get_outputs()}
        if {value.name for value in self.session.get_inputs()} != TAKES or GIVES not in outputs:
            raise ExportError(f"{path} does not map wavs and lens to {GIVES}; {REEXPORT_HINT}")
        optional = {value.name for value in self.session.get_overridable_initializers()}
        self.takes_before = BEFORE in optional  # since format 3

    def __getstate__(self) -> dict[str, Any]:
        """Of the model only its path: another process reads the file itself."""
        return {**self.__dict__, "session": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.session = _load_session(self.path, self.threads)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> OnnxEncoder:
        device = fn(torch.empty(0)).device
        if device.type != "cpu":
            raise ValueError(f"onnxruntime runs only on the CPU; give engine='torch' for {device}")
        return super()._apply(fn, recurse)

    def forward(
        self, wavs: Tensor, lens: Tensor | None = None, num_samples: Tensor | None = None
    ) -> Tensor:
        """[utterances, samples], relative lengths [utterances] -> [utterances, embedding_size]

        Without lengths: segments with the sample before each, [segments, 1 + samples], and
        their numbers of real samples, [segments]; by default all.
        """
        feeds = {}
        if lens is None:
            before, wavs = wavs[:, 0], wavs[:, 1:]
            feeds = {BEFORE: before} if self.takes_before else {}
            lens = torch.ones(len(wavs)) if num_samples is None else num_samples / wavs.shape[1]
        feeds = {
            name: value.float().cpu().numpy()
            for name, value in {**feeds, "lens": lens, "wavs": wavs}.items()
        }
        try:
            (embeddings,) = self.session.run([GIVES], feeds)
        except Exception as error:  # its own errors have no common class
            if is_out_of_memory(error):
                raise
            raise ExportError(
                f"onnxruntime cannot compute {self.path}: {one_line(error)}; give a smaller "
                f"batch_size, which needs less memory, or engine='torch', which does not use it"
            ) from error
        self._check(embeddings, len(wavs))
        return torch.from_numpy(embeddings)

    def _check(self, value: Any, num_utterances: int) -> None:
        size = self.embedding_size
        is_matrix = isinstance(value, np.ndarray) and value.dtype == np.float32 and value.ndim == 2
        fits = is_matrix and len(value) == num_utterances and size in (None, value.shape[1])
        if not fits or not np.isfinite(value).all():
            raise ExportError(
                f"{self.path} gives no finite embeddings of {size} values for {num_utterances} "
                f"utterances; {REEXPORT_HINT}"
            )

    def max_segments(self) -> None:
        """As ``UtteranceEncoder``'s: as many as fit into memory."""

    def intermediates(self, *segments: Any) -> NoReturn:
        """Raise a ValueError, since a graph returns no intermediate results."""
        raise ValueError(
            f"{self.path.name} gives embeddings, but no intermediate results; load the model with "
            f"engine='torch'"
        )


def open_session(model: Path | bytes, threads: int = 0, folder: Path | None = None) -> Any:
    """An ``InferenceSession`` of onnxruntime on the CPU, which logs only errors.

    Arguments
    ---------
    model : Path or bytes
        An ONNX file, or its content.
    threads : int
        Threads per operator; 0: as many as onnxruntime chooses.
    folder : Path, optional
        For content: the folder of the weights in a second file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    if folder is not None:
        key = "session.model_external_initializers_file_folder_path"
        options.add_session_config_entry(key, str(folder.resolve()))
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _load_session(path: Path, threads: int) -> Any:
    if reason := unavailable_reason():
        raise ExportError(
            f'{path.name} cannot be run: {reason}; pip install "onnxruntime>={MIN_VERSION}", or '
            f'give engine="torch"'
        )
    try:
        return open_session(path, threads)
    except Exception as error:  # its own errors have no common class
        message = f"{path} is not a model that onnxruntime can run: {one_line(error)}"
        raise ExportError(f"{message}; {REEXPORT_HINT}") from error
