"""Settings for the device, where a recipe has "auto"."""

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
    """``precision`` and ``compiled`` for the device that a run will use.

    Arguments
    ---------
    hparams : mapping
        The settings of a recipe; without the keys, precision is fp32 and nothing is compiled.
    run_opts : RunOptions, optional
        SpeechBrain's, which take precedence.

    Returns
    -------
    dict
        ``precision``: "auto" becomes bf16 on a GPU that has it, else fp32. ``compiled``: "auto"
        becomes true on a GPU, if all that the compiler needs is installed.

    Raises
    ------
    ValueError
        If ``compiled`` is none of the three, SpeechBrain is to compile the model too, or there is
        no such device.

    Example
    -------
    >>> resolve_auto({"precision": "auto", "compiled": "auto"}, RunOptions(device="cpu"))
    {'precision': 'fp32', 'compiled': False}
    """
    options = {} if run_opts is None else run_opts
    config = {**hparams, **{n: options[n] for n in getattr(options, "overridden_args", ())}}
    device = _device(config.get("device") or infer_device())
    precision, compiled = config.get("precision", "fp32"), config.get("compiled", False)
    if precision == "auto":
        # Emulated, bfloat16 is slower than float32.
        has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bf16" if has_bf16 else "fp32"
    if compiled not in COMPILED:
        raise ValueError(f"compiled is {compiled!r}; allowed: auto, true, false")
    compiled = _can_compile(device) if compiled == "auto" else compiled
    if compiled and config.get("compile"):
        raise ValueError(
            "--compile is SpeechBrain's and compiles the entire model, whose regions are compiled "
            "here; leave it out, or give --compiled=false with it"
        )
    return {"precision": precision, "compiled": compiled}


def _device(name: str) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device is {name!r}; give cpu, cuda or e.g. cuda:1") from error


def _can_compile(device: torch.device) -> bool:
    """Whether a device is a GPU, and all that Triton needs to compile is installed."""
    if device.type != "cuda":
        return False
    compilers = [os.environ["CC"]] if "CC" in os.environ else CC
    header = Path(sysconfig.get_path("include", "posix_prefix"), "Python.h")  # as Triton does
    requirements = {
        "Triton": has_triton(),
        f"a C compiler ({', '.join(CC)}, or what CC names)": any(map(shutil.which, compilers)),
        f"{header} (e.g. Debian's python3-dev)": header.is_file(),
    }
    if missing := [name for name, is_met in requirements.items() if not is_met]:
        logger.info("nothing is compiled; missing: %s", " and ".join(missing))
    return not missing


def local_rank_device(run_opts: RunOptions) -> RunOptions:
    """If ``--device=cuda`` names no GPU, give each process of torchrun its own."""
    rank = get_local_rank()
    if rank is None or run_opts.device != "cuda":
        return run_opts
    return dataclasses.replace(run_opts, device=f"cuda:{rank}")
