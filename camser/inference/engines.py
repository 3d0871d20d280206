"""What computes an export: PyTorch, or onnxruntime from the export's ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from speechbrain.utils.distributed import infer_device
from torch import nn
from torch.nn.utils import parametrize

from camser.inference import export_folder
from camser.inference.export_files import INT8, ONNX, WEIGHTS, ExportError, check_file, graph_files
from camser.inference.onnx_encoder import OnnxEncoder, unavailable_reason
from camser.inference.weights import load_head

GRAPHS = {"onnx": ONNX, "onnx-int8": INT8}
ENGINES = ("auto", "torch", *GRAPHS)
EXPORT_FLAGS = {"onnx": "--onnx", "onnx-int8": "--int8"}  # of ``camser export``


class LoadedModel(NamedTuple):
    """An export, ready to compute: ``embedding_model`` and ``classifier`` on their device."""

    config: dict[str, Any]
    modules: dict[str, nn.Module]
    device: str


def load(
    place: Path,
    engine: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    compiles: bool = False,
) -> LoadedModel:
    """Load an export for an engine.

    Arguments
    ---------
    place : Path
        The export.
    engine : str
        One of ``ENGINES``. "auto" is onnxruntime where the device is the CPU, the export has
        ``model.onnx`` and onnxruntime is installed, and PyTorch elsewhere.
    device : str, optional
        By default the GPU where there is one; onnxruntime has the CPU alone.
    threads : int, optional
        By default as many as PyTorch has; for PyTorch it is a setting of the whole process.
    compiles : bool
        Whether the model is going to be compiled, which only PyTorch's can be.

    Raises
    ------
    ExportError
        If the export is damaged, or lacks what the engine needs.
    ValueError
        If there is no such engine, or it does not go with the other arguments.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; allowed: 1 and more")
    config, where = export_folder.read_config(place), _device(engine, device)
    if engine == "auto":
        graph = graph_for_engine(engine, device, compiles)
        engine = "onnx" if graph and _has(place, config, graph) else "torch"
    if engine == "torch":
        if threads is not None:
            torch.set_num_threads(threads)
        return LoadedModel(config, _load_torch(place, config), where)
    if where != "cpu" or compiles:
        raise ValueError(
            f"engine {engine!r} computes on the CPU, and compiles nothing; give engine='torch' for "
            f"{'compile=True' if compiles else where}"
        )
    return LoadedModel(config, _load_graph(place, config, engine, threads), where)


def graph_for_engine(engine: str, device: str | None = None, compiles: bool = False) -> str | None:
    """The ONNX file that an engine runs, where the export has it; arguments as ``load``'s."""
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}; allowed: {', '.join(ENGINES)}")
    if engine == "auto" and (compiles or _device(engine, device) != "cpu" or unavailable_reason()):
        return None
    return ONNX if engine == "auto" else GRAPHS.get(engine)


def _device(engine: str, device: str | None) -> str:
    return device or (infer_device() if engine in ("auto", "torch") else "cpu")


def _has(place: Path, config: Mapping[str, Any], graph: str) -> bool:
    there = graph_files(config, graph)
    return graph in there and all((place / name).is_file() for name in there)


def _load_torch(place: Path, config: dict[str, Any]) -> dict[str, nn.Module]:
    modules = export_folder.read_modules(place, config)
    for module in modules.values():
        fold_parametrizations(module.eval())
    return modules


def fold_parametrizations(model: nn.Module) -> None:
    """Compute once what a parametrisation, such as a weight norm, makes of trained weights."""
    for module in model.modules():
        if parametrize.is_parametrized(module):
            assert isinstance(module.parametrizations, nn.ModuleDict)
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)


def _load_graph(
    place: Path, config: Mapping[str, Any], engine: str, threads: int | None
) -> dict[str, nn.Module]:
    """PyTorch's model is not built and, but for the head's, its weights are not read."""
    graph = GRAPHS[engine]
    there = graph_files(config, graph)
    if graph not in there:
        raise ExportError(
            f"{place} has no {graph}; make it with `camser export RUN DIR {EXPORT_FLAGS[engine]}`, "
            f"or give engine='torch'"
        )
    for name, expected in there.items():
        check_file(place / name, expected)
    head = load_head(place / WEIGHTS, config)
    encoder = OnnxEncoder(place / graph, threads, head.linear.in_features)
    return {"embedding_model": encoder, "classifier": head}
