"""What a machine lacks, said so that one can go on: room on a disk, memory, a process that died."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}
# How others name their troubles; they have no errors of their own for them.
WRITER = ("PytorchStreamWriter", "inline_container", "iostream error", "No space left on device")
MEMORY = (
    "out of memory", "can't allocate memory", "bad_alloc", "ALLOC_FAILED", "Cannot allocate memory",
    "Failed to allocate memory", "failed to map segment", "can't start new thread",
    "could not create a primitive",  # as oneDNN says it
)  # fmt: skip
ORDER = ("does not have a deterministic implementation",)
WORKER = ("DataLoader worker (pid",)  # not what a worker tells of an error in it
CUT_OFF = (EOFError, ConnectionError, FileNotFoundError)  # of a pipe or a socket to who is gone
PINNING = ("in pin memory thread",)  # which reads those pipes on a machine with a GPU
SHARED = ("shared memory(shm)", "out of shared memory")
PEER = (
    "Connection closed by peer", "Connection reset by peer", "Broken pipe", "Timed out waiting",
    "Connection closed by remote peer", "Socket closed", "application bind timeout",
    "remote process exited", "ncclRemoteError", "NCCL communicator was aborted",
    "collective operation timeout",
)  # fmt: skip
NETWORK = {"DistNetworkError", "DistStoreError"}  # of torch.distributed
GO_ON = "then the same command goes on"


class NoMemoryError(ValueError):
    """A batch that is too large for the memory there is."""


@contextmanager
def of_memory(advice: Callable[[], str]) -> Iterator[None]:
    """Raise a NoMemoryError where memory does not suffice; ``advice`` says for what, what to do."""
    try:
        yield
    except Exception as error:
        if not is_of_memory(error):
            raise
        raise NoMemoryError(f"no memory for {advice()}") from error


def is_of_memory(error: BaseException) -> bool:
    """Whether an error is of memory that could not be had, a GPU's or the machine's."""
    return isinstance(error, MemoryError) or _says(error, MEMORY)


def is_of_worker(error: BaseException) -> bool:
    """Whether an error is of a loader's worker that is no more, by PyTorch or by the pipe to it."""
    return _says(error, WORKER) or (isinstance(error, CUT_OFF) and _is_of_pipe(error))


def is_of_ending(error: BaseException) -> bool:
    """Whether an error can come of this: that a loader's workers were told to end with us."""
    return isinstance(error, CUT_OFF) or is_of_worker(error)


def _is_of_pipe(error: BaseException) -> bool:
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    modules = (str(frame.f_globals.get("__name__")) for frame in frames)
    return _says(error, PINNING) or any(name.startswith("multiprocessing.") for name in modules)


def smaller_batch(size: int, factor: int) -> tuple[int, int] | None:
    """A smaller batch and more accumulation, whose product is the same; None for a batch of one.

    Example
    -------
    >>> smaller_batch(64, 1), smaller_batch(15, 2), smaller_batch(1, 4)
    ((32, 2), (5, 6), None)
    """
    parts = next((n for n in range(2, size + 1) if size % n == 0), None)
    return None if parts is None else (size // parts, factor * parts)


def explained(error: BaseException, folder: str | Path = ".") -> str | None:
    """What an error of the machine means and what to do, in one line; None for any other.

    Arguments
    ---------
    error : BaseException
        What ended the work.
    folder : str or Path
        Where was written what the error does not name.
    """
    if is_of_memory(error) or getattr(error, "errno", None) == errno.ENOMEM:
        return f"no memory is left ({_first_line(error)}); give it more, {GO_ON}"
    if _says(error, SHARED):
        return (
            "/dev/shm, where the data loader's workers leave their batches, has no room; give it "
            f"more (docker run --shm-size), or --num_workers=0, {GO_ON}"
        )
    if is_of_worker(error):
        return (
            f"a worker of the data loader died ({_first_line(error)}), often for lack of memory; "
            f"give --num_workers=0 or more memory, {GO_ON}"
        )
    if isinstance(error, OSError):
        return _of_file(error, folder)
    if _says(error, WRITER):
        return _no_room(folder, "could not be written")
    if _says(error, ORDER):
        return f"{_first_line(error)}; give --deterministic=false, {GO_ON}"
    # By its name: whoever asks may not have imported PyTorch, which takes seconds.
    if any(kind.__name__ in NETWORK for kind in type(error).__mro__) or _says(error, PEER):
        return (
            f"another process of this run has ended ({_first_line(error)}); what it said itself "
            f"tells why. That mended, the same command goes on"
        )
    return None


def _of_file(error: OSError, folder: str | Path) -> str:
    name = error.filename2 or error.filename or folder  # of a copy the second is what is written
    if error.errno in NO_ROOM:
        return _no_room(name, f"could not be written ({error.strerror})")
    if error.errno in NOT_WRITABLE:
        return f"{name} may not be read or written ({error.strerror}); mend that, {GO_ON}"
    return str(error)


def _no_room(path: str | Path, what: str) -> str:
    place = next(p for p in (Path(path).absolute(), *Path(path).absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free
    return (
        f"{path} {what}; {free / 1e6:.1f} MB are free there. What was finished before is whole: "
        f"make room, {GO_ON}"
    )


def _says(error: BaseException, phrases: tuple[str, ...]) -> bool:
    return any(phrase in str(error) for phrase in phrases)


def _first_line(error: BaseException) -> str:
    """Without what PyTorch puts around it: where in its sources that was, and a stack."""
    lines = (str(error) or type(error).__name__).splitlines()
    return lines[0].split("] ", 1)[-1][:200] if lines else type(error).__name__


def let_logs_fail() -> None:
    """From now on a log file that cannot be written is an error, as any other file is."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            # It would print a traceback, and go on.
            handler.handleError = _raise  # type: ignore[method-assign]


def _raise(record: logging.LogRecord) -> None:
    raise  # what is being handled when this is called


@contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Have a system's error say which file it is about: that of a write does not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise
