"""Load an exported model for an engine: PyTorch, or onnxruntime with its ONNX file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from speechbrain.utils.distributed import infer_device
from torch import nn
from torch.nn.utils import parametrize

from camser.audio import SAMPLE_RATE
from camser.build import segment_hops
from camser.inference.export_config import longest_segment, read_config
from camser.inference.export_files import WEIGHTS
from camser.inference.export_folder import read_modules
from camser.inference.graphs import (
    check_graph,
    check_threads,
    graph_for_engine,
    has_graph,
    trims_padding,
)
from camser.inference.onnx_encoder import OnnxEncoder
from camser.inference.weights import load_head

logger = logging.getLogger(__name__)


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
        One of ``graphs.ENGINES``. "auto" is onnxruntime if the device is the CPU, the folder has
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
    check_threads(threads)
    device = resolve_device(engine, device)
    graph, config = graph_for_engine(engine, device, needs_torch), read_config(place)
    if graph and engine == "auto" and not has_graph(place, config, graph):
        graph = None
    logger.info("%s: %s computes on %s", place, graph or "PyTorch", device)
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


def resolve_device(engine: str, device: str | None) -> str:
    """The device by its name; by default the GPU if there is one that the engine uses."""
    return device or (infer_device() if engine in ("auto", "torch") else "cpu")


def _load_torch(folder: Path, config: dict[str, Any]) -> dict[str, nn.Module]:
    modules = read_modules(folder, config)
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
    check_graph(folder, config, graph)
    head = load_head(folder / WEIGHTS, config)
    built = config["architecture"]
    sizes = built["segment_seconds"], round(longest_segment(built) * SAMPLE_RATE)
    hops = segment_hops(built.get("segment_hop_seconds"), *sizes)
    rule = built.get("utterance_rule", "mean")
    options = head.embedding_size, trims_padding(config), hops, rule
    encoder = OnnxEncoder(folder / graph, threads, *options)
    return {"embedding_model": encoder, "classifier": head}
