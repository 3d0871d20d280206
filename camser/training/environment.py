"""The environment that a run is trained in, and its record in checkpoints and results."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from speechbrain.utils.distributed import if_main_process

from camser.runtime.plugin_versions import version_differences
from camser.training.checkpoints import AtomicCheckpointer
from camser.training.determinism import determinism_settings

logger = logging.getLogger(__name__)


def training_environment(
    device: str | torch.device, precision: str, compiled: bool
) -> dict[str, Any]:
    """A process's training settings, as stored in checkpoints and results.

    Arguments
    ---------
    device : str or torch.device
        The device of the process.
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
    old, new = (
        {"device": torch.device(one["device"]).type, **one["determinism"], **one["resolved"]}
        for one in (before, now)
    )
    return [f"{n}: {old.get(n)!r}, then {new[n]!r}" for n in new if old.get(n) != new[n]]


def record(checkpointer: AtomicCheckpointer, now: dict[str, Any]) -> None:
    """Let checkpoints record the environment from now on, and all its changes since the run began.

    Arguments
    ---------
    checkpointer : AtomicCheckpointer
        The checkpointer of the run; its newest checkpoint has the environment before.
    now : dict
        From ``training_environment``.
    """
    plugins, newest = checkpointer.plugins, checkpointer.find_checkpoint()
    start: dict[str, Any] = {"trained_with": now, "changed": [], "plugins": plugins}
    before = newest.meta if newest else start
    changed = describe_changes(before["trained_with"], now)
    if if_main_process():
        for change in [*changed, *version_differences(before["plugins"], plugins)]:
            logger.warning("changed since the last checkpoint; numbers may differ: %s", change)
    checkpointer.trained = {"trained_with": now, "changed": [*before["changed"], *changed]}
