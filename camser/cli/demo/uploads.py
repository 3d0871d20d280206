"""The folder of uploads: how much there is, how long it stays, and that it goes in the end."""

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
MIN_BYTES = 2**16  # bytes that an upload counts as: it has a folder, and costs time to find


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone after the block; and what killed processes left is gone, too."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        _remove_abandoned(left)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        folder = Path(name).resolve()
        with open(folder / LOCK, "w") as lock:
            _take(lock)
            yield folder


def _remove_abandoned(folder: Path) -> None:
    """Remove such a folder of ours whose process is no more: nothing holds its lock."""
    try:
        found = folder.lstat()
        if folder.is_symlink() or found.st_uid != _user() or _age(found) < STARTING:
            return
        with open(folder / LOCK, "r+") as lock:
            if _take(lock):
                shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # of somebody else, or gone meanwhile
        return


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _age(found: os.stat_result) -> float:
    return time.time() - found.st_mtime


def _take(lock: IO) -> bool:
    """Whether an open file's lock is ours now; it is until the file is closed."""
    try:
        import fcntl
    except ImportError:  # Windows: what is in use there cannot be removed anyway
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Uploads:
    """What strangers sent.

    Arguments
    ---------
    folder : Path
        Where it lies.
    kept_seconds : float
        How long.
    """

    def __init__(self, folder: Path, kept_seconds: float) -> None:
        self.folder, self.kept_seconds = folder, kept_seconds
        self.arriving = 0  # bytes that were announced and are not all here

    @property
    def bytes(self) -> int:
        """Of all that is there or under way; small uploads count as ``MIN_BYTES``."""
        return self.arriving + sum(max(MIN_BYTES, found.st_size) for _, found in self._files())

    def contains(self, path: str) -> bool:
        """Whether a path is of an upload, wherever its links lead."""
        try:
            return os.path.realpath(path).startswith(f"{self.folder}{os.sep}")
        except ValueError:  # of what can be no name: NUL, half a character
            return False

    @contextmanager
    def delete_expired_while_running(self) -> Iterator[None]:
        """While the block runs, delete what is older than ``kept_seconds``."""
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
        """Delete what is too old, and the folders that are empty then."""
        for path, found in self._files():
            if _age(found) > self.kept_seconds:
                path.unlink(missing_ok=True)
                if path.parent != self.folder:
                    _remove_empty(path.parent)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Files that are there; what is deleted meanwhile counts nothing."""
        for folder, _, names in os.walk(self.folder):
            for path in (Path(folder) / name for name in names):
                try:
                    yield path, path.lstat()
                except FileNotFoundError:
                    continue


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # another upload lies there
        return
