"""Settings that decide whether the same seed gives the same weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def set_deterministic(deterministic: bool) -> None:
    """If ``deterministic``, allow only operations that repeat exactly; a GPU is often slower then.

    Other operations raise an error that names them. Call this before a GPU is used: cuBLAS sums in
    a fixed order only if its workspace was fixed from the beginning.
    """
    if not deterministic:
        return
    os.environ.setdefault(WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


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
