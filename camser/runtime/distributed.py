"""What the processes of a distributed run do as one: fail on one process's mistake, agree."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from speechbrain.utils.distributed import (
    if_main_process,
    is_distributed_initialized,
    main_process_only,
)


class _MainProcessError(NamedTuple):
    """What the main process could not do."""

    error: Exception


def run_on_main(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function on the main process; every process gets what it returns.

    What it raises of a user's mistakes (``ValueError``, ``OSError``) is raised on the main process,
    which tells of it. The others end too, where they would wait for an answer that never comes.

    Arguments
    ---------
    function : callable
        What it returns must be picklable.
    *args, **kwargs
        Its arguments.

    Example
    -------
    >>> run_on_main(max, 1, 2)
    2
    """
    answer = main_process_only(_attempt)(function, args, kwargs)  # which every process gets
    if not isinstance(answer, _MainProcessError):
        return answer
    if if_main_process():
        raise answer.error
    sys.exit(1)


def _attempt(function: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
    try:
        return function(*args, **kwargs)
    except (ValueError, OSError) as error:
        return _MainProcessError(error)


def is_single_process() -> bool:
    """Whether no other process works on this run."""
    return not is_distributed_initialized() or torch.distributed.get_world_size() == 1


def all_reduce_max(number: int, device: str | torch.device) -> int:
    """The largest of all processes' numbers; each waits here for all others.

    Arguments
    ---------
    number : int
        This process's.
    device : str or torch.device
        This process's, through which it talks to the others.

    Example
    -------
    >>> all_reduce_max(3, "cpu")
    3
    """
    if not is_distributed_initialized():
        return number
    shared = torch.tensor(number, device=device)
    torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
    return int(shared)
