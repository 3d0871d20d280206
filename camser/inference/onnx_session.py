"""Run the ONNX file of an exported model on arrays, with onnxruntime on the CPU."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from packaging.version import Version

from camser.inference.export_files import REEXPORT_HINT, ExportError
from camser.runtime.messages import one_line
from camser.runtime.resource_errors import is_out_of_memory

TAKES, BEFORE = {"wavs", "lens"}, "before"
EMBEDDINGS, LOG_PROBABILITIES = "embeddings", "log_probabilities"
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


class OnnxSession:
    """A graph that maps utterances to one of its outputs.

    A graph is only data: onnxruntime refuses unknown operators, and weights outside of the folder
    of the file.

    Arguments
    ---------
    path : Path
        Written by ``camser export --onnx`` or ``--int8``.
    threads : int
        Threads per operator; 0: as many as onnxruntime chooses.
    output : str
        ``EMBEDDINGS`` or ``LOG_PROBABILITIES``.
    size : int, optional
        Expected number of values of each output.

    Raises
    ------
    ExportError
        If onnxruntime is not installed, or the file is not such a model. In ``run``: if the graph
        fails or returns other values.
    """

    def __init__(self, path: Path, threads: int, output: str, size: int | None = None) -> None:
        self.path, self.threads = path.resolve(), threads
        self.output, self.size = output, size
        self._open()

    def _open(self) -> None:
        self.session = _load_session(self.path, self.threads)
        outputs = {output.name for output in self.session.get_outputs()}
        inputs = {value.name for value in self.session.get_inputs()}
        if inputs != TAKES or self.output not in outputs:
            raise ExportError(
                f"{self.path} does not map wavs and lens to {self.output}; {REEXPORT_HINT}"
            )
        optional = {value.name for value in self.session.get_overridable_initializers()}
        self.takes_before = BEFORE in optional  # since format 3

    def __getstate__(self) -> dict[str, Any]:
        """Of the model only its path: another process reads the file itself."""
        return {**self.__dict__, "session": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def of_segments(self, padded: np.ndarray, num_samples: np.ndarray | None = None) -> np.ndarray:
        """[segments, 1 + samples], the sample before each first, and [segments], how many of the
        samples are real, by default all -> [segments, values]
        """
        wavs = padded[:, 1:]
        lens = np.ones(len(wavs)) if num_samples is None else num_samples / wavs.shape[1]
        before = {BEFORE: padded[:, 0]} if self.takes_before else {}
        return self.run(wavs=wavs, lens=lens, **before)

    def run(self, **inputs: np.ndarray) -> np.ndarray:
        """``wavs`` [utterances, samples], relative lengths ``lens`` -> [utterances, values]"""
        feeds = {name: np.ascontiguousarray(v, np.float32) for name, v in inputs.items()}
        try:
            (values,) = self.session.run([self.output], feeds)
        except Exception as error:  # its own errors have no common class
            if is_out_of_memory(error):
                raise
            raise ExportError(
                f"onnxruntime cannot compute {self.path}: {one_line(error)}; give a smaller "
                f"batch_size, which needs less memory, or engine='torch', which does not use it"
            ) from error
        self._check(values, len(feeds["wavs"]))
        return values

    def _check(self, value: Any, num_utterances: int) -> None:
        is_matrix = isinstance(value, np.ndarray) and value.dtype == np.float32 and value.ndim == 2
        fits = is_matrix and len(value) == num_utterances and self.size in (None, value.shape[1])
        if not fits or not np.isfinite(value).all():
            raise ExportError(
                f"{self.path} gives no finite {self.output} of {self.size} values for "
                f"{num_utterances} utterances; {REEXPORT_HINT}"
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
