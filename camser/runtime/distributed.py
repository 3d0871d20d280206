"""Joint steps of the processes of a distributed run: fail together, agree on a number."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from speechbrain.utils.distributed import (
    if_main_process,
    is_distributed_initialized,
    main_process_only,
)


def run_on_main(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function on the main process; every process gets the result.

    Errors of the user (``ValueError``, ``OSError``) are raised on the main process, which reports
    them. The other processes end too: they would wait for a result that never comes.

    Arguments
    ---------
    function : callable
        Its result must be picklable.
    *args, **kwargs
        Its arguments.

    Example
    -------
    >>> run_on_main(max, 1, 2)
    2
    """

    def attempt() -> tuple[Any, Exception | None]:
        try:
            return function(*args, **kwargs), None
        except (ValueError, OSError) as error:
            return None, error

    result, error = main_process_only(attempt)()  # every process gets them
    if error is None:
        return result
    if if_main_process():
        raise error
    sys.exit(1)


def all_reduce_max(number: int, device: str | torch.device) -> int:
    """The largest of all processes' numbers; each process waits for all others.

    Arguments
    ---------
    number : int
        This process's number.
    device : str or torch.device
        This process's device, which communicates with the others.

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
