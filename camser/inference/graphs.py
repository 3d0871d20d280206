"""The ONNX files of an exported model: which one an engine runs, and whether it is intact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camser.inference.export_files import INT8, ONNX, ExportError, check_file, graph_files
from camser.inference.onnx_session import unavailable_reason

GRAPHS = {"onnx": ONNX, "onnx-int8": INT8}
ENGINES = ("auto", "torch", *GRAPHS)


def graph_for_engine(engine: str, device: str = "cpu", needs_torch: bool = False) -> str | None:
    """The name of the ONNX file that an engine runs on a device, or None for PyTorch.

    Raises
    ------
    ValueError
        If there is no such engine.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}; allowed: {', '.join(ENGINES)}")
    if engine == "auto" and (needs_torch or device != "cpu" or unavailable_reason()):
        return None
    return ONNX if engine == "auto" else GRAPHS.get(engine)


def has_graph(folder: Path, config: Mapping[str, Any], graph: str) -> bool:
    """Whether an exported model has an ONNX file."""
    records = graph_files(config, graph)
    return graph in records and all((folder / name).is_file() for name in records)


def check_graph(folder: Path, config: Mapping[str, Any], graph: str) -> None:
    """Raise an ExportError unless an ONNX file is the one that was exported."""
    records = graph_files(config, graph)
    if graph not in records:
        raise ExportError(
            f"{folder} has no {graph}; make it with `camser export RUN DIR --int8`, or give "
            f"engine='torch'"
        )
    for name, record in records.items():
        check_file(folder / name, record)


def trims_padding(config: Mapping[str, Any]) -> bool:
    """Whether segments are as long as their utterances, see ``MultimodalEncoder``."""
    built = config["architecture"]
    return built["segment_seconds"] is None and built.get("mask_padding", False)


def check_threads(threads: int | None) -> None:
    """Raise a ValueError unless this is a number of threads, or None."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; allowed: 1 and more")
