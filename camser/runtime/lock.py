"""One run a folder: a lock that ends with its process, however that ends."""

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
    fcntl = None  # type: ignore[assignment]  # a module, wherever it is used

logger = logging.getLogger(__name__)
NAME = ".lock"


class FolderInUseError(ValueError):
    """An output folder in which another run is at work."""


class FolderLock:
    """While it is entered, no other process enters one of the same folder.

    The system keeps the lock, for this process alone: not for what it forks, and no longer than
    it lives. What is left of a killed run locks nothing. Of a distributed run the main process
    holds it.

    Arguments
    ---------
    folder : str or Path
        Made if need be; removed again if it is still empty.

    Raises
    ------
    InUseError
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
            if self._is_current_file(
                self.handle
            ):  # else another run's does, in a folder made again
                self.path.unlink(missing_ok=True)
            os.close(self.handle)
            self.handle = None
        for folder in self.made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _take(self) -> None:
        if fcntl is None:
            logger.warning("%s is not locked: this system cannot", self.path.parent)
            return
        folder = self.path.parent
        self.made = [f for f in (folder, *folder.parents) if not f.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        while not self._try_lock():
            pass  # the one before removed what was opened here

    def _is_current_file(self, handle: int) -> bool:
        """Whether the file that was opened is the one at the lock's place."""
        try:
            return os.path.samestat(os.fstat(handle), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _try_lock(self) -> bool:
        """Lock the file; whether it still lies at its place."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            holder = os.read(handle, 1000).decode(errors="replace").strip()
            os.close(handle)
            raise FolderInUseError(
                f"{self.path.parent} is in use by another run ({holder or 'just begun'}); wait for "
                f"its end, stop it, or give another output_folder"
            ) from None
        except OSError as error:  # a file system without locks
            logger.warning("%s cannot be locked (%s)", self.path.parent, error.strerror)
        if not self._is_current_file(handle):
            os.close(handle)
            return False
        self.handle = handle
        with contextlib.suppress(OSError):  # a full disk; who holds it is only a help
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        return True
