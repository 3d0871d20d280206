"""A lock that allows one run per folder; it ends with its process, even a killed one."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from pathlib import Path
from types import TracebackType

from camser.runtime.distributed import run_on_main

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # it is a module wherever it is used

logger = logging.getLogger(__name__)
NAME = ".lock"


class FolderInUseError(ValueError):
    """An output folder that another run is using."""


class FolderLock:
    """A context that only one process at a time can enter for a folder.

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

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / NAME
        self.made: list[Path] = []
        self.handle: int | None = None

    def __enter__(self) -> FolderLock:
        run_on_main(self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.handle is not None:
            if self._is_current_file(self.handle):  # else it is another run's, in a new folder
                self.path.unlink(missing_ok=True)
            os.close(self.handle)
            self.handle = None
        for folder in self.made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _take(self) -> None:
        if fcntl is None:
            logger.warning("%s is not locked: this system has no file locks", self.path.parent)
            return
        folder = self.path.parent
        self.made = [f for f in (folder, *folder.parents) if not f.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        while not self._try_lock():
            pass  # the previous run removed the file that was opened here

    def _is_current_file(self, handle: int) -> bool:
        """Whether the opened file is the one at the lock's path."""
        try:
            return os.path.samestat(os.fstat(handle), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _try_lock(self) -> bool:
        """Lock the file; return whether it is still the one at the lock's path."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            holder = os.read(handle, 1000).decode(errors="replace").strip()
            os.close(handle)
            raise FolderInUseError(
                f"{self.path.parent} is in use by another run ({holder or 'just started'}); wait "
                f"for it to end, stop it, or give another output_folder"
            ) from None
        except OSError as error:  # a file system without locks
            logger.warning("%s cannot be locked (%s)", self.path.parent, error.strerror)
        if not self._is_current_file(handle):
            os.close(handle)
            return False
        self.handle = handle
        with contextlib.suppress(OSError):  # a full disk; the holder's name is optional
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        return True
