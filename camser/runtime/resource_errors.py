"""Explain errors of the machine and what to do: a full disk, no memory, a process that died."""

from __future__ import annotations

import errno
import logging
import shutil
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from camser.runtime.messages import one_line

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Names, not classes: importing PyTorch takes seconds, and the caller may not have done it.
MEMORY = {"MemoryError", "OutOfMemoryError"}
NETWORK = {"DistNetworkError", "DistStoreError"}
PIPE_ERRORS = (EOFError, ConnectionError, FileNotFoundError)  # of a closed pipe or socket
RESUME_HINT = "then run the same command again to resume"


class BatchOutOfMemoryError(ValueError):
    """A batch that is too large for the available memory."""


class LostWorkerError(ValueError):
    """Workers of a data loader that ended too early; ``endings`` are from ``worker_exits``."""

    def __init__(self, endings: list[str]) -> None:
        super().__init__(
            f"a worker of the data loader ended: {', '.join(endings)}; give --num_workers=0 to use "
            f"no workers, or fix this (SIGBUS: /dev/shm is full), {RESUME_HINT}"
        )


@contextmanager
def raise_with_memory_advice(advice: str) -> Iterator[None]:
    """Raise a BatchOutOfMemoryError if memory is short; ``advice`` is the rest of its text."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise BatchOutOfMemoryError(f"no memory for {advice}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error's type or errno means that memory, a GPU's or the machine's, is short.

    PyTorch's CPU allocator and oneDNN have no such type: their errors are not recognized.
    """
    return _is_a(error, MEMORY) or getattr(error, "errno", None) == errno.ENOMEM


def worker_exits(workers: Collection[BaseProcess]) -> list[str]:
    """The endings of workers that failed, e.g. ["SIGKILL"] or ["exit status 1"].

    Arguments
    ---------
    workers : collection of multiprocessing.Process
        One of them may be about to end: its pipe closes a little before its exit is visible.
    """
    deadline = time.monotonic() + 1
    while workers and all(w.exitcode is None for w in workers) and time.monotonic() < deadline:
        time.sleep(0.005)
    statuses = [worker.exitcode for worker in workers if worker.exitcode]
    return [signal.Signals(-n).name if n < 0 else f"exit status {n}" for n in statuses]


def _is_a(error: BaseException, names: set[str]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


def explain(error: BaseException, folder: str | Path = ".") -> str | None:
    """One line that explains an error of the machine and what to do; None for any other error.

    Arguments
    ---------
    error : BaseException
        The error that ended the work.
    folder : str or Path
        The path to report if the error names no file.
    """
    reason = _without_stack(error)
    if is_out_of_memory(error):
        return f"no memory is left ({reason}); provide more, {RESUME_HINT}"
    if _is_a(error, NETWORK):
        return (
            f"this process cannot reach the others of its run ({reason}); their own messages may "
            f"show the reason. Fix the cause, {RESUME_HINT}"
        )
    if not isinstance(error, OSError):
        return None
    path = error.filename2 or error.filename or folder  # of a copy, the second is written
    if error.errno in NO_ROOM:
        return (
            f"{path} could not be written ({error.strerror}); {free_space(path) / 1e6:.1f} MB are "
            f"free there. Finished files are complete: free some space, {RESUME_HINT}"
        )
    return str(error)


def _without_stack(error: BaseException) -> str:
    """The message without PyTorch's additions: the source location and a stack."""
    first_line = (str(error) or type(error).__name__).partition("\n")[0]
    return one_line(first_line.split("] ", 1)[-1], most=200)


def free_space(path: str | Path) -> int:
    """The free bytes on the disk of a path, which need not exist yet.

    Example
    -------
    >>> free_space("no/such/folder") > 0
    True
    """
    folder = next(p for p in (Path(path).absolute(), *Path(path).absolute().parents) if p.exists())
    return shutil.disk_usage(folder).free


def raise_on_log_failure() -> None:
    """From now on, a log file that cannot be written is an error, like any other file."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            # By default it prints a traceback and continues.
            handler.handleError = _raise  # type: ignore[method-assign]


def _raise(record: logging.LogRecord) -> None:
    raise  # the exception that is being handled
