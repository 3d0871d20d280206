"""Load an exported model for an engine: PyTorch, or onnxruntime with its ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from speechbrain.utils.distributed import infer_device
from torch import nn
from torch.nn.utils import parametrize

from camser.audio import SAMPLE_RATE
from camser.build import segment_hops
from camser.inference import export_folder
from camser.inference.export_files import INT8, ONNX, WEIGHTS, ExportError, check_file, graph_files
from camser.inference.onnx_encoder import OnnxEncoder, unavailable_reason
from camser.inference.pretrained import longest_segment
from camser.inference.weights import load_head

GRAPHS = {"onnx": ONNX, "onnx-int8": INT8}
ENGINES = ("auto", "torch", *GRAPHS)


class LoadedModel(NamedTuple):
    """An exported model, ready to use: ``embedding_model`` and ``classifier`` on their device."""

    config: dict[str, Any]
    modules: dict[str, nn.Module]
    device: str


def load(
    place: Path,
    engine: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    needs_torch: bool = False,
) -> LoadedModel:
    """Load an exported model for an engine.

    Arguments
    ---------
    place : Path
        The folder of the model.
    engine : str
        One of ``ENGINES``. "auto" is onnxruntime if the device is the CPU, the folder has
        ``model.onnx`` and onnxruntime is installed; otherwise it is PyTorch.
    device : str, optional
        By default the GPU if there is one; with onnxruntime always the CPU.
    threads : int, optional
        The number of CPU threads, by default that of PyTorch. With PyTorch, it changes the number
        of the entire process.
    needs_torch : bool
        Whether the caller will do what only PyTorch can: compile the model, or use bfloat16.

    Raises
    ------
    ExportError
        If the model is damaged, or lacks a file that the engine needs.
    ValueError
        If there is no such engine, or it cannot be used with the other arguments.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; allowed: 1 and more")
    graph = graph_for_engine(engine, device, needs_torch)
    config, device = export_folder.read_config(place), _device(engine, device)
    if graph and engine == "auto" and not _has(place, config, graph):
        graph = None
    if graph is None:
        if threads is not None:
            torch.set_num_threads(threads)
        return LoadedModel(config, _load_torch(place, config), device)
    if device != "cpu" or needs_torch:
        raise ValueError(
            f"engine {engine!r} runs only on the CPU, in float32, and cannot be compiled; give "
            f"engine='torch' for {device if device != 'cpu' else 'compile=True or bfloat16'}"
        )
    return LoadedModel(config, _load_graph(place, config, graph, threads), device)


def graph_for_engine(
    engine: str, device: str | None = None, needs_torch: bool = False
) -> str | None:
    """The name of the ONNX file that ``load`` would use, or None for PyTorch."""
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}; allowed: {', '.join(ENGINES)}")
    if engine == "auto" and (
        needs_torch or _device(engine, device) != "cpu" or unavailable_reason()
    ):
        return None
    return ONNX if engine == "auto" else GRAPHS.get(engine)


def _device(engine: str, device: str | None) -> str:
    return device or (infer_device() if engine in ("auto", "torch") else "cpu")


def _has(folder: Path, config: Mapping[str, Any], graph: str) -> bool:
    records = graph_files(config, graph)
    return graph in records and all((folder / name).is_file() for name in records)


def _load_torch(folder: Path, config: dict[str, Any]) -> dict[str, nn.Module]:
    modules = export_folder.read_modules(folder, config)
    for module in modules.values():
        fold_parametrizations(module.eval())
    return modules


def fold_parametrizations(model: nn.Module) -> None:
    """Replace each parametrization, such as a weight norm, by the weights that it computes."""
    for module in model.modules():
        if parametrize.is_parametrized(module):
            module._load_state_dict_pre_hooks.clear()  # reads former names; cannot be pickled
            assert isinstance(module.parametrizations, nn.ModuleDict)
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)


def _load_graph(
    folder: Path, config: Mapping[str, Any], graph: str, threads: int | None
) -> dict[str, nn.Module]:
    """Load for onnxruntime. Of the PyTorch model, only the classifier is built."""
    records = graph_files(config, graph)
    if graph not in records:
        raise ExportError(
            f"{folder} has no {graph}; make it with `camser export RUN DIR --int8`, or give "
            f"engine='torch'"
        )
    for name, record in records.items():
        check_file(folder / name, record)
    head = load_head(folder / WEIGHTS, config)
    built = config["architecture"]
    is_trimmed = built["segment_seconds"] is None and built.get("mask_padding", False)
    sizes = built["segment_seconds"], round(longest_segment(built) * SAMPLE_RATE)
    hops = segment_hops(built.get("segment_hop_seconds"), *sizes)
    options = head.embedding_size, is_trimmed, hops, built.get("utterance_rule", "mean")
    encoder = OnnxEncoder(folder / graph, threads, *options)
    return {"embedding_model": encoder, "classifier": head}
