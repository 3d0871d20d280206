"""A lock that allows one run per folder; it ends with its process, even a killed one."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from camser.runtime.distributed import run_on_main

logger = logging.getLogger(__name__)
NAME = ".lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system without locks


class FolderInUseError(ValueError):
    """An output folder that another run is using."""


@contextmanager
def lock_folder(folder: str | Path) -> Iterator[None]:
    """In this context, no other process can enter one for the same folder.

    The operating system holds the lock for this process: not for its forks, and only while it
    lives. The lock file of a killed run locks nothing. In a distributed run, the main process
    holds the lock.

    Arguments
    ---------
    folder : str or Path
        Created if needed; removed at the end if it is still empty.

    Raises
    ------
    FolderInUseError
        On entering, if another process holds it.
    """
    folder = Path(folder)
    created = [f for f in (folder, *folder.parents) if not f.exists()]
    lock = FileLock(folder / NAME, timeout=0, fallback_to_soft=False)
    run_on_main(_acquire, lock, folder)
    try:
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):  # Windows removes no open file; it may stay
                (folder / NAME).unlink()
            lock.release()
            for path in created:
                if path.is_dir() and not any(path.iterdir()):
                    path.rmdir()


def _acquire(lock: FileLock, folder: Path) -> None:
    path = folder / NAME
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire()
    except Timeout:
        holder = ""
        with suppress(OSError, UnicodeError):
            holder = path.read_text(encoding="utf-8").strip()
        raise FolderInUseError(
            f"{folder} is in use by another run ({holder or 'just started'}); wait for it to end, "
            f"stop it, or give another output_folder"
        ) from None
    except (NotImplementedError, OSError) as error:
        if getattr(error, "errno", errno.ENOSYS) not in NO_LOCKS:
            raise
        logger.warning("%s cannot be locked (%s)", folder, error)
        return
    with suppress(OSError):  # a full disk; the holder's name is optional
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
