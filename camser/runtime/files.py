"""Files and folders that are whole or absent: written beside their place, flushed, renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

DAY = 86400  # seconds
PART = ".part"  # how the names of temporary files end


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Open a new file that takes ``path``'s place when the block ends without an error.

    Readers see the old file or the new one, never a part; a killed process leaves only a
    temporary file, whose name begins with a dot, that nothing reads. The file and its name are on
    the disk when the block has ended.

    Arguments
    ---------
    path : str or Path
        The file to write; its folder is made if need be.
    mode : str
        "w" for text (UTF-8) or "wb".
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(PART, f".{path.name}.", path.parent)
    try:
        text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
        with os.fdopen(handle, mode, **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        fsync_path(path.parent)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a write's error names no file
        raise


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike, replace: bool = False) -> Iterator[Path]:
    """A new folder that appears at ``path``, whole, when the block ends without an error.

    A killed process leaves only a folder whose name begins with a dot, that nothing reads; those
    of more than a day ago are removed.

    Arguments
    ---------
    path : str or Path
        The folder to make.
    replace : bool
        Whether one that is there is replaced.

    Raises
    ------
    FileExistsError
        If it is there and may not be replaced.
    """
    path = Path(path)
    if path.exists() and not (replace and path.is_dir()):
        raise FileExistsError(f"{path} exists; give another folder, or remove that one")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_temporaries(path.parent, path.name, DAY)
    temporary = Path(tempfile.mkdtemp(PART, f".{path.name}.", path.parent))
    try:
        yield temporary
        for file in [*sorted(temporary.rglob("*")), temporary]:
            os.chmod(file, (0o777 if file.is_dir() else 0o666) & ~_umask())
            fsync_path(file)
        if path.exists():
            aside = Path(tempfile.mkdtemp(PART, f".{path.name}.", path.parent))
            os.rename(path, aside / path.name)
            os.rename(temporary, path)
            fsync_path(path.parent)
            shutil.rmtree(aside)
        else:
            os.rename(temporary, path)
            fsync_path(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_stale_temporaries(folder: str | os.PathLike, name: str = "", seconds: float = 0) -> None:
    """Remove what killed processes left of files that were being written.

    Arguments
    ---------
    folder : str or Path
        Where it is.
    name : str
        Of the file or folder that was being written; by default, of any file.
    seconds : float
        How old it must be: others may be writing there now.
    """
    for left in Path(folder).glob(f".{name or '*'}.*{PART}"):
        with contextlib.suppress(FileNotFoundError):  # another process put it in its place
            if time.time() - left.stat().st_mtime < seconds:
                continue
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()


def fsync_path(path: str | os.PathLike) -> None:
    """Have a file, or a folder's entries, written to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
