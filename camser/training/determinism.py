"""Whether the same seed gives the same weights: what decides it, as set and as recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
# Whose gradients PyTorch sums on a GPU in any order: from torch.use_deterministic_algorithms.
WITHOUT_ORDER = (
    nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool2d, nn.AvgPool3d, nn.MaxPool3d,
    nn.FractionalMaxPool2d, nn.FractionalMaxPool3d, nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d,
    nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d, nn.CTCLoss,
)  # fmt: skip


def set_deterministic(asked: bool) -> None:
    """Where asked for, allow only what computes the same each time, on a GPU often slower.

    What has no such form is then an error that names it. To be called before a GPU is used: of
    cuBLAS's sums the order is fixed only where its workspace was, from the beginning.

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
    """Raise a ValueError where what was asked for cannot be had of a model on a GPU.

    What a forward calls without a module, such as ``torch.cumsum``, PyTorch names when it runs.

    Arguments
    ---------
    model : Module
        To be trained.
    device : str or torch.device
        Where.
    """
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu and torch.are_deterministic_algorithms_enabled() and (found := unordered(model)):
        raise ValueError(
            f"deterministic is true, and the gradients of {', '.join(found)} have no fixed order "
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
        for part in getattr(encoder, "_frozen", ())
        for module in part.modules()
    }
    return [
        f"{name} ({type(module).__name__})"
        for name, module in model.named_modules()
        if isinstance(module, WITHOUT_ORDER) and id(module) not in frozen
    ]


@contextmanager
def full_precision() -> Iterator[None]:
    """While this lasts, float32 is IEEE's: a GPU does not round products to TF32's ten bits.

    For what is kept and read again by other devices.
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
    """What decides, beside the seed, whether a run repeats to the last bit, by name."""
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
    """What a process trains with, as checkpoints and results tell it.

    Arguments
    ---------
    device : str or torch.device
        The process's.
    precision, compiled
        As ``automatic.resolve`` gives them.
    """
    resolved = {"precision": precision, "compiled": compiled}
    return {"device": str(device), "determinism": determinism_settings(), "resolved": resolved}


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In what two ``training_environment`` differ that can change numbers, a line each.

    Example
    -------
    >>> one = {"device": "cuda:0", "determinism": {"threads": 1}, "resolved": {"precision": "bf16"}}
    >>> describe_changes(one, {**one, "device": "cuda:1", "resolved": {"precision": "fp32"}})
    ["precision: 'bf16', then 'fp32'"]
    """
    old, new = _by_name(before), _by_name(now)
    return [f"{n}: {old.get(n)!r}, then {new[n]!r}" for n in new if old.get(n) != new[n]]


def _by_name(told: Mapping[str, Any]) -> dict[str, Any]:
    return {"device": torch.device(told["device"]).type, **told["determinism"], **told["resolved"]}
