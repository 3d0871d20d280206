"""An export's ONNX file in the place of its PyTorch model."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from packaging.version import Version
from torch import Tensor, nn

from camser.inference.export_files import REEXPORT_HINT, ExportError
from camser.runtime.resource_errors import is_out_of_memory

TAKES, GIVES = {"wavs", "lens"}, "embeddings"
MIN_VERSION = Version("1.26.0")  # see SECURITY.md; and before it, not all that we write runs


def unavailable_reason() -> str | None:
    """Why onnxruntime cannot be used here; None where it can."""
    try:
        found = Version(metadata.version("onnxruntime"))
    except metadata.PackageNotFoundError:
        return "onnxruntime is not installed"
    return (
        f"onnxruntime is {found}; at least {MIN_VERSION} is needed" if found < MIN_VERSION else None
    )


class OnnxEncoder(nn.Module):
    """Utterances to embeddings as ``UtteranceEncoder``, by onnxruntime on the CPU.

    A graph is data: onnxruntime refuses operators that it does not know, and weights outside of
    the file's folder.

    Arguments
    ---------
    path : Path
        Written by ``camser export --onnx`` or ``--int8``.
    threads : int, optional
        For a single operator; by default as many as PyTorch has.
    embedding_size : int, optional
        What it must give for each utterance.

    Raises
    ------
    ExportError
        If onnxruntime is not installed, or the file is not such a model; later, if it fails or
        gives no embeddings.
    """

    def __init__(
        self, path: Path, threads: int | None = None, embedding_size: int | None = None
    ) -> None:
        super().__init__()
        self.path, self.embedding_size = path, embedding_size
        self.session = _session(path, threads or torch.get_num_threads())
        outputs = {output.name for output in self.session.get_outputs()}
        if {given.name for given in self.session.get_inputs()} != TAKES or GIVES not in outputs:
            raise ExportError(f"{path} does not turn wavs and lens into {GIVES}; {REEXPORT_HINT}")

    def forward(self, wavs: Tensor, lens: Tensor) -> Tensor:
        """[utterances, samples], relative lengths [utterances] -> [utterances, embedding_size]"""
        feeds = {"wavs": wavs.float().cpu().numpy(), "lens": lens.float().cpu().numpy()}
        try:
            (given,) = self.session.run([GIVES], feeds)
        except Exception as error:  # onnxruntime's own have no common class
            if is_out_of_memory(error):
                raise
            raise ExportError(
                f"onnxruntime cannot compute {self.path}: {_said(error)}; give a smaller "
                f"batch_size, which needs less memory, or engine='torch', which does without it"
            ) from error
        self._check(given, len(wavs))
        return torch.from_numpy(given)

    def _check(self, given: Any, num_utterances: int) -> None:
        size = self.embedding_size
        is_one = isinstance(given, np.ndarray) and given.dtype == np.float32 and given.ndim == 2
        fits = is_one and len(given) == num_utterances and size in (None, given.shape[1])
        if not fits or not np.isfinite(given).all():
            raise ExportError(
                f"{self.path} gives no finite embeddings of {size} values for {num_utterances} "
                f"utterances; {REEXPORT_HINT}"
            )

    def intermediates(self, wavs: Tensor, lens: Tensor) -> NoReturn:
        """Raise a ValueError: a graph gives nothing of what it computes on its way."""
        raise ValueError(
            f"{self.path.name} gives embeddings, and nothing of what leads to them; load the model "
            f"with engine='torch'"
        )


def _session(path: Path, threads: int) -> Any:
    if told := unavailable_reason():
        raise ExportError(
            f'{path.name} cannot be run: {told}; pip install "onnxruntime>={MIN_VERSION}", or give '
            f'engine="torch"'
        )
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own have no common class
        told = f"{path} is no model that onnxruntime runs: {_said(error)}"
        raise ExportError(f"{told}; {REEXPORT_HINT}") from error


def _said(error: Exception) -> str:
    """In one line, which onnxruntime's errors are not."""
    return " ".join(str(error).split())[:500]
