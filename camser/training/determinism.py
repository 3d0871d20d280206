"""Settings that decide whether the same seed gives the same weights, and their record."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
# PyTorch sums their gradients on a GPU in any order: from torch.use_deterministic_algorithms.
WITHOUT_ORDER = (
    nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool2d, nn.AvgPool3d, nn.MaxPool3d,
    nn.FractionalMaxPool2d, nn.FractionalMaxPool3d, nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d,
    nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d, nn.CTCLoss,
)  # fmt: skip


def set_deterministic(asked: bool) -> None:
    """If ``asked``, allow only operations that repeat exactly, on a GPU often slower.

    An operation that cannot then raises an error that names it. Call this before a GPU is used:
    cuBLAS sums in a fixed order only if its workspace was fixed from the beginning.

    Raises
    ------
    ValueError
        If it is neither true nor false.
    """
    if not isinstance(asked, bool):
        raise ValueError(f"deterministic is {asked!r}; allowed: true, false")
    if not asked:
        return
    os.environ.setdefault(WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def check_modules(model: nn.Module, device: str | torch.device) -> None:
    """Raise a ValueError if determinism is required of a model that has none on a GPU.

    PyTorch itself names a function called without a module, such as ``torch.cumsum``, when it runs.

    Arguments
    ---------
    model : Module
        To be trained.
    device : str or torch.device
        To train on.
    """
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu and torch.are_deterministic_algorithms_enabled() and (names := unordered(model)):
        raise ValueError(
            f"deterministic is true, and the gradients of {', '.join(names)} have no fixed order "
            f"on a GPU; take another encoder or fusion, or give --deterministic=false"
        )


def unordered(model: nn.Module) -> list[str]:
    """The modules whose gradients a GPU sums in any order, those of frozen encoders left out.

    Example
    -------
    >>> unordered(nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1)))
    ['1 (AdaptiveAvgPool2d)']
    """
    frozen = {
        id(module)
        for encoder in model.modules()
        for submodule in getattr(encoder, "_frozen", ())
        for module in submodule.modules()
    }
    return [
        f"{name} ({type(module).__name__})"
        for name, module in model.named_modules()
        if isinstance(module, WITHOUT_ORDER) and id(module) not in frozen
    ]


@contextmanager
def full_precision() -> Iterator[None]:
    """Within this context, float32 is IEEE's: a GPU does not round products to TF32's ten bits.

    For features that are cached and read again on other devices.
    """
    cudnn = torch.backends.cudnn
    products, convolutions = torch.get_float32_matmul_precision(), cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        cudnn.allow_tf32 = convolutions


def determinism_settings() -> dict[str, Any]:
    """The settings that decide, besides the seed, whether a run repeats exactly, by name."""
    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        "threads": torch.get_num_threads(),
        WORKSPACE: os.environ.get(WORKSPACE),
    }


def training_environment(
    device: str | torch.device, precision: str, compiled: bool
) -> dict[str, Any]:
    """A process's training settings, as stored in checkpoints and results.

    Arguments
    ---------
    device : str or torch.device
        The process's.
    precision, compiled
        As ``device.resolve_auto`` returns them.
    """
    resolved = {"precision": precision, "compiled": compiled}
    return {"device": str(device), "determinism": determinism_settings(), "resolved": resolved}


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The differences of two ``training_environment`` that can change numbers, one per line.

    Example
    -------
    >>> one = {"device": "cuda:0", "determinism": {"threads": 1}, "resolved": {"precision": "bf16"}}
    >>> describe_changes(one, {**one, "device": "cuda:1", "resolved": {"precision": "fp32"}})
    ["precision: 'bf16', then 'fp32'"]
    """
    old, new = _by_name(before), _by_name(now)
    return [f"{n}: {old.get(n)!r}, then {new[n]!r}" for n in new if old.get(n) != new[n]]


def _by_name(settings: Mapping[str, Any]) -> dict[str, Any]:
    device = torch.device(settings["device"]).type
    return {"device": device, **settings["determinism"], **settings["resolved"]}
