"""The folder of uploads: its size, the age limit, and its removal at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PREFIX = "camser-demo-"
LOCK = "in-use"
STARTING = 60  # seconds in which a folder may be without its lock
MIN_BYTES = 2**16  # an upload counts as at least this: it has a folder, and takes time to list


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is removed after the block. Folders of killed processes are removed, too."""
    for abandoned in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        _remove_abandoned(abandoned)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        folder = Path(name).resolve()
        with open(folder / LOCK, "w") as lock:
            _take(lock)
            yield folder


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder of ours whose process has ended: nothing holds its lock."""
    try:
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid != _user() or _age(status) < STARTING:
            return
        with open(folder / LOCK, "r+") as lock:
            if _take(lock):
                shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # somebody else's, or already removed
        return


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _age(status: os.stat_result) -> float:
    return time.time() - status.st_mtime


def _take(lock: IO) -> bool:
    """Lock an open file until it is closed. False if another process holds the lock."""
    try:
        import fcntl
    except ImportError:  # Windows: a file in use cannot be removed anyway
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Uploads:
    """The files of untrusted clients.

    Arguments
    ---------
    folder : Path
        Where they are stored.
    kept_seconds : float
        How long they are stored.
    """

    def __init__(self, folder: Path, kept_seconds: float) -> None:
        self.folder, self.kept_seconds = folder, kept_seconds
        self.arriving = 0  # bytes of announced uploads that are incomplete

    @property
    def bytes(self) -> int:
        """Of all stored and arriving uploads; small uploads count as ``MIN_BYTES``."""
        return self.arriving + sum(max(MIN_BYTES, status.st_size) for _, status in self._files())

    def contains(self, path: str) -> bool:
        """Whether a path is that of an upload, after its links are resolved."""
        try:
            return os.path.realpath(path).startswith(f"{self.folder}{os.sep}")
        except ValueError:  # not a valid path: NUL, half a character
            return False

    @contextmanager
    def delete_expired_while_running(self) -> Iterator[None]:
        """While the block runs, delete uploads older than ``kept_seconds``."""
        ended = threading.Event()

        def delete_expired() -> None:
            while not ended.wait(max(0.2, self.kept_seconds / 6)):
                self.delete_expired()

        thread = threading.Thread(target=delete_expired, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def delete_expired(self) -> None:
        """Delete uploads that are too old, and folders that are then empty."""
        for path, status in self._files():
            if _age(status) > self.kept_seconds:
                path.unlink(missing_ok=True)
                if path.parent != self.folder:
                    _remove_empty(path.parent)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """The stored files; one that is deleted meanwhile is skipped."""
        for folder, _, names in os.walk(self.folder):
            for path in (Path(folder) / name for name in names):
                try:
                    yield path, path.lstat()
                except FileNotFoundError:
                    continue


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # it contains another upload
        return
