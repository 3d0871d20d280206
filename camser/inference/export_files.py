"""The files of an exported model, each verified with its record in ``config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camser.runtime.digests import compare_with_record

CONFIG, WEIGHTS, CARD, RECIPE, ONNX, INT8 = (
    "config.json", "model.safetensors", "README.md", "hyperparams.yaml",
    "model.onnx", "model.int8.onnx",
)  # fmt: skip

REEXPORT_HINT = "export the run again with `camser export RUN DIR`, or download it again"


class ExportError(ValueError):
    """A folder that is not an exported model, or is damaged, newer, or needs a missing package."""


def data_of(graph: str) -> str:
    """Name of the second file of an ONNX model: weights too large for the first."""
    return f"{graph}.data"


ONNX_DATA = data_of(ONNX)


def check_file(path: Path, record: Mapping[str, Any], check_digest: bool = True) -> None:
    """Raise an ExportError unless a file is the one that ``config.json`` describes.

    Arguments
    ---------
    path : Path
        The file.
    record : mapping
        From ``digests.file_record``.
    check_digest : bool
        Whether the checksum is verified, or only the size.
    """
    if problem := compare_with_record(path, record, check_digest):
        raise ExportError(
            f"{path} is not the file that {CONFIG} describes: {problem}; {REEXPORT_HINT}"
        )


def graph_files(config: Mapping[str, Any], graph: str) -> dict[str, Any]:
    """The records in ``config.json`` of an ONNX file and its weights file, by name.

    Empty if there is no such ONNX file, as in models that the first versions exported.

    Example
    -------
    >>> graph_files({"onnx": {"model.onnx": {}, "model.int8.onnx": {}}}, "model.onnx")
    {'model.onnx': {}}
    """
    records = config.get("onnx")
    records = records if isinstance(records, Mapping) else {}
    return {name: records[name] for name in (graph, data_of(graph)) if name in records}
