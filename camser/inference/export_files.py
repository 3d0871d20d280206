"""The files of an export, each held against what ``config.json`` says of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camser.runtime.digests import digest

CONFIG, WEIGHTS, CARD, RECIPE, ONNX, INT8 = (
    "config.json", "model.safetensors", "README.md", "hyperparams.yaml",
    "model.onnx", "model.int8.onnx",
)  # fmt: skip

REEXPORT_HINT = "make it again with `camser export RUN DIR`, or fetch it again"


class ExportError(ValueError):
    """A folder that is no export, or one that is damaged, newer, or needs what is not there."""


def data_of(graph: str) -> str:
    """The name of the file with the weights for which an ONNX file has no room."""
    return f"{graph}.data"


ONNX_DATA = data_of(ONNX)


def check_file(path: Path, expected: Mapping[str, Any], whole: bool = True) -> None:
    """Raise an ExportError unless a file is the one that ``config.json`` describes.

    Arguments
    ---------
    path : Path
        The file.
    expected : mapping
        From ``files.described``.
    whole : bool
        Whether its bytes are read and compared, or only counted.
    """
    if not path.is_file():
        raise ExportError(f"{path} is missing; {REEXPORT_HINT}")
    told, size = dict(expected) if isinstance(expected, Mapping) else {}, path.stat().st_size
    if size != told.get("bytes") or (whole and digest(path) != told.get("digest")):
        raise ExportError(
            f"{path} is not the file that {CONFIG} describes ({told.get('bytes')} bytes, "
            f"{size} there): cut off, damaged, or of another export; {REEXPORT_HINT}"
        )


def graph_files(config: Mapping[str, Any], graph: str) -> dict[str, Any]:
    """An ONNX file and what belongs to it, by name, as ``config.json`` describes them.

    Empty where there is none, as in the exports of the first versions.

    Example
    -------
    >>> graph_files({"onnx": {"model.onnx": {}, "model.int8.onnx": {}}}, "model.onnx")
    {'model.onnx': {}}
    """
    there = config.get("onnx")
    there = there if isinstance(there, Mapping) else {}
    return {name: there[name] for name in (graph, data_of(graph)) if name in there}
