"""What suits the device, where a recipe says "auto"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from speechbrain.utils.distributed import infer_device
from speechbrain.utils.run_opts import RunOptions

COMPILED = ("auto", True, False)


def resolve(hparams: Mapping[str, Any], run_opts: RunOptions | None = None) -> dict[str, Any]:
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
        becomes true on a GPU.

    Raises
    ------
    ValueError
        If ``compiled`` is none of the three, or SpeechBrain is to compile the same once more.

    Example
    -------
    >>> resolve({"precision": "auto", "compiled": "auto"}, RunOptions(device="cpu"))
    {'precision': 'fp32', 'compiled': False}
    """
    options = {} if run_opts is None else run_opts
    given = {**hparams, **{n: options[n] for n in getattr(options, "overridden_args", ())}}
    device = torch.device(given.get("device") or infer_device())
    precision, compiled = given.get("precision", "fp32"), given.get("compiled", False)
    if precision == "auto":
        precision = "bf16" if _has_bf16(device) else "fp32"
    if compiled not in COMPILED:
        raise ValueError(f"compiled is {compiled!r}; allowed: auto, true, false")
    compiled = device.type == "cuda" if compiled == "auto" else compiled
    if compiled and given.get("compile"):
        raise ValueError(
            "--compile is SpeechBrain's and takes the whole model, whose regions are compiled "
            "here; leave it out, or give --compiled=false with it"
        )
    return {"precision": precision, "compiled": compiled}


def _has_bf16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 itself: slower than float32 where it does not."""
    if device.type != "cuda":
        return False
    with torch.cuda.device(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)
