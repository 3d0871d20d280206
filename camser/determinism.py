"""Whether the same seed gives the same weights: what decides it, as set and as recorded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def apply(asked: bool) -> None:
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


def described() -> dict[str, Any]:
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


def circumstances(device: str | torch.device, precision: str, compiled: bool) -> dict[str, Any]:
    """What a process trains with, as checkpoints and results tell it.

    Arguments
    ---------
    device : str or torch.device
        The process's.
    precision, compiled
        As ``automatic.resolve`` gives them.
    """
    resolved = {"precision": precision, "compiled": compiled}
    return {"device": str(device), "determinism": described(), "resolved": resolved}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In what two ``circumstances`` differ that can change numbers, a line each.

    Example
    -------
    >>> one = {"device": "cuda:0", "determinism": {"threads": 1}, "resolved": {"precision": "bf16"}}
    >>> changes(one, {**one, "device": "cuda:1", "resolved": {"precision": "fp32"}})
    ["precision: 'bf16', then 'fp32'"]
    """
    old, new = _by_name(before), _by_name(now)
    return [f"{n}: {old.get(n)!r}, then {new[n]!r}" for n in new if old.get(n) != new[n]]


def _by_name(told: Mapping[str, Any]) -> dict[str, Any]:
    return {"device": torch.device(told["device"]).type, **told["determinism"], **told["resolved"]}
