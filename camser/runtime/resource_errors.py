"""What a machine lacks, said so that one can go on: room on a disk, memory, a process that died."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}
# By their names: whoever asks may not have imported PyTorch, which takes seconds.
MEMORY = {"MemoryError", "OutOfMemoryError"}
NETWORK = {"DistNetworkError", "DistStoreError"}
PIPE_ERRORS = (EOFError, ConnectionError, FileNotFoundError)  # of a pipe or a socket to who is gone
WORKER_WATCH = "torch.utils.data._utils.signal_handling"
SHARED_MEMORY = Path("/dev/shm")
RESUME_HINT = "then the same command goes on"


class BatchOutOfMemoryError(ValueError):
    """A batch that is too large for the memory there is."""


class LostWorkerError(RuntimeError):
    """Workers of a data loader that ended before their work did.

    Arguments
    ---------
    endings : list of str
        How each ended, from ``worker_exits``.
    """

    def __init__(self, endings: list[str]) -> None:
        room = ""
        if SHARED_MEMORY.is_dir():
            free = shutil.disk_usage(SHARED_MEMORY).free / 1e6
            room = f" ({SHARED_MEMORY}, where workers leave their batches, has {free:.0f} MB free)"
        super().__init__(
            f"a worker of the data loader ended: {', '.join(endings)}{room}; give --num_workers=0, "
            f"which needs none, or mend that, {RESUME_HINT}"
        )


@contextmanager
def raise_with_memory_advice(advice: Callable[[], str]) -> Iterator[None]:
    """Raise a NoMemoryError where memory does not suffice; ``advice`` says for what, what to do."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise BatchOutOfMemoryError(f"no memory for {advice()}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says by its type or errno that memory, a GPU's or the machine's, is short.

    PyTorch's CPU allocator and oneDNN have no type for it: their errors pass as they are.
    """
    return _is_a(error, MEMORY) or getattr(error, "errno", None) == errno.ENOMEM


def is_shutdown_error(error: BaseException) -> bool:
    """Whether an error can come of this: that others were told to end with us.

    These are a loader's workers, or the processes that train with us, whose launcher gives
    WORLD_SIZE; where one of them leaves, PyTorch raises a RuntimeError.
    """
    together = os.environ.get("WORLD_SIZE", "1") != "1"
    of_others = together and isinstance(error, RuntimeError)
    return of_others or isinstance(error, (LostWorkerError, *PIPE_ERRORS))


def is_raised_by_worker_watch(error: BaseException) -> bool:
    """Whether PyTorch raised it where it learned, in a signal's handler, that a worker is gone."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(frame.f_globals.get("__name__") == WORKER_WATCH for frame in frames)


def worker_exits(workers: Collection[BaseProcess]) -> list[str]:
    """How those ended that did not end well, e.g. ["SIGKILL"] or ["exit status 1"].

    Arguments
    ---------
    workers : collection of multiprocessing.Process
        One of which may just be about to end: its pipe closes a little before its end is seen.
    """
    deadline = time.monotonic() + 1
    while workers and all(w.exitcode is None for w in workers) and time.monotonic() < deadline:
        time.sleep(0.005)
    return [_ending(worker.exitcode) for worker in workers if worker.exitcode]


def _ending(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _is_a(error: BaseException, names: set[str]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


def smaller_batch(size: int, factor: int, most: int | None = None) -> tuple[int, int] | None:
    """A smaller batch and more accumulation, whose product is the same; None for a batch of one.

    Arguments
    ---------
    size, factor : int
        Of the batch, of the accumulation.
    most : int, optional
        What the batch may hold.

    Example
    -------
    >>> smaller_batch(64, 1), smaller_batch(15, 2), smaller_batch(1, 4), smaller_batch(900, 1, 400)
    ((32, 2), (5, 6), None, (300, 3))
    """
    fits = (n for n in range(2, size + 1) if size % n == 0 and size // n <= (most or size))
    parts = next(fits, None)
    return None if parts is None else (size // parts, factor * parts)


def explain(error: BaseException, folder: str | Path = ".") -> str | None:
    """What an error of the machine means and what to do, in one line; None for any other.

    Arguments
    ---------
    error : BaseException
        What ended the work.
    folder : str or Path
        Where was written what the error does not name.
    """
    if is_out_of_memory(error):
        return f"no memory is left ({_first_line(error)}); give it more, {RESUME_HINT}"
    if isinstance(error, LostWorkerError):
        return str(error)
    if isinstance(error, OSError):
        return _of_file(error, folder)
    if _is_a(error, NETWORK):
        return (
            f"this process cannot reach the others of its run ({_first_line(error)}); what they "
            f"said themselves may tell why. That mended, the same command goes on"
        )
    return None


def _of_file(error: OSError, folder: str | Path) -> str:
    name = error.filename2 or error.filename or folder  # of a copy the second is what is written
    if error.errno in NO_ROOM:
        return _no_room(name, f"could not be written ({error.strerror})")
    if error.errno in NOT_WRITABLE:
        return f"{name} may not be read or written ({error.strerror}); mend that, {RESUME_HINT}"
    return str(error)


def _no_room(path: str | Path, what: str) -> str:
    free = free_space(path)
    return (
        f"{path} {what}; {free / 1e6:.1f} MB are free there. What was finished before is whole: "
        f"make room, {RESUME_HINT}"
    )


def free_space(path: str | Path) -> int:
    """The bytes that are free where a path is, or is to be.

    Example
    -------
    >>> free_space("no/such/folder") == free_space(".") > 0
    True
    """
    place = next(p for p in (Path(path).absolute(), *Path(path).absolute().parents) if p.exists())
    return shutil.disk_usage(place).free


def _first_line(error: BaseException) -> str:
    """Without what PyTorch puts around it: where in its sources that was, and a stack."""
    lines = (str(error) or type(error).__name__).splitlines()
    return lines[0].split("] ", 1)[-1][:200] if lines else type(error).__name__


def raise_on_log_failure() -> None:
    """From now on a log file that cannot be written is an error, as any other file is."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            # It would print a traceback, and go on.
            handler.handleError = _raise  # type: ignore[method-assign]


def _raise(record: logging.LogRecord) -> None:
    raise  # what is being handled when this is called


@contextmanager
def add_file_name(path: str | os.PathLike) -> Iterator[None]:
    """Have a system's error say which file it is about: that of a write does not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise
