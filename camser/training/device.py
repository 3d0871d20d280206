"""What suits the device, where a recipe says "auto"."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from speechbrain.utils.distributed import get_local_rank, infer_device
from speechbrain.utils.run_opts import RunOptions
from torch.utils._triton import has_triton

logger = logging.getLogger(__name__)
COMPILED = ("auto", True, False)
CC = ("gcc", "clang")  # the compilers that Triton looks for


def resolve_auto(hparams: Mapping[str, Any], run_opts: RunOptions | None = None) -> dict[str, Any]:
    """``precision`` and ``compiled`` as they are to be on the device that a run will use.

    Arguments
    ---------
    hparams : mapping
        A recipe's; without the keys, there is neither another precision nor compilation.
    run_opts : RunOptions, optional
        SpeechBrain's, which go before.

    Returns
    -------
    dict
        ``precision``: "auto" becomes bf16 on a GPU that has it, else fp32. ``compiled``: "auto"
        becomes true on a GPU, where what the compiler needs is installed.

    Raises
    ------
    ValueError
        If ``compiled`` is none of the three, SpeechBrain is to compile the same once more, or there
        is no such device.

    Example
    -------
    >>> resolve_auto({"precision": "auto", "compiled": "auto"}, RunOptions(device="cpu"))
    {'precision': 'fp32', 'compiled': False}
    """
    options = {} if run_opts is None else run_opts
    given = {**hparams, **{n: options[n] for n in getattr(options, "overridden_args", ())}}
    device = _device(given.get("device") or infer_device())
    precision, compiled = given.get("precision", "fp32"), given.get("compiled", False)
    if precision == "auto":
        precision = "bf16" if _has_bf16(device) else "fp32"
    if compiled not in COMPILED:
        raise ValueError(f"compiled is {compiled!r}; allowed: auto, true, false")
    compiled = _can_compile(device) if compiled == "auto" else compiled
    if compiled and given.get("compile"):
        raise ValueError(
            "--compile is SpeechBrain's and takes the whole model, whose regions are compiled "
            "here; leave it out, or give --compiled=false with it"
        )
    return {"precision": precision, "compiled": compiled}


def _device(name: str) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device is {name!r}; give cpu, cuda or e.g. cuda:1") from error


def _has_bf16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 itself: slower than float32 where it does not."""
    if device.type != "cuda":
        return False
    with torch.cuda.device(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)


def _can_compile(device: torch.device) -> bool:
    """Whether a device is a GPU, and all is there that Triton needs to write for it."""
    if device.type != "cuda":
        return False
    compiler = shutil.which(os.environ["CC"]) if "CC" in os.environ else any(map(shutil.which, CC))
    header = Path(sysconfig.get_path("include", _scheme()), "Python.h")
    there = {
        "Triton": has_triton(),
        f"a C compiler ({', '.join(CC)}, or what CC names)": compiler,
        f"{header} (e.g. Debian's python3-dev)": header.is_file(),
    }
    if missing := [name for name, found in there.items() if not found]:
        logger.info("nothing is compiled, for want of %s", " and ".join(missing))
    return not missing


def _scheme() -> str:
    """Where Triton looks for Python's headers: Debian's own scheme has none."""
    scheme = sysconfig.get_default_scheme()
    return "posix_prefix" if scheme == "posix_local" else scheme


def local_rank_device(run_opts: RunOptions) -> RunOptions:
    """Where ``--device=cuda`` names no GPU, each process of torchrun takes its own."""
    rank = get_local_rank()
    if rank is None or run_opts.device != "cuda":
        return run_opts
    return dataclasses.replace(run_opts, device=f"cuda:{rank}")
