"""Write files and folders that are complete or absent: write elsewhere, flush, then rename."""

from __future__ import annotations

import contextlib
import csv
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

DAY = 86400  # seconds
PART = ".part"  # how the names of temporary files end


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Open a new file that replaces ``path`` when the block ends without an error.

    Readers see the old file or the new one, never an incomplete one. A killed process leaves only
    a temporary file, which nothing reads; its name begins with a dot. When the block has ended,
    the file and its name are on the disk.

    Arguments
    ---------
    path : str or Path
        The file to write; its folder is created if needed.
    mode : str
        "w" for text (UTF-8) or "wb".
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
        with open(temporary, mode.replace("w", "x"), **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        fsync_path(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # the error of a write names no file
        raise


def write_csv(path: str | os.PathLike, columns: Iterable[str], rows: Iterable[Iterable]) -> None:
    """Write a table as CSV, as ``atomic_write`` does: first its columns, then its rows."""
    with atomic_write(path) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike, replace: bool = False) -> Iterator[Path]:
    """Yield a new folder that is moved to ``path`` when the block ends without an error.

    A killed process leaves only a temporary folder, which nothing reads; its name begins with a
    dot. Temporary folders older than a day are removed.

    Arguments
    ---------
    path : str or Path
        The folder to create.
    replace : bool
        Whether to replace an existing folder.

    Raises
    ------
    FileExistsError
        If it exists and may not be replaced.
    """
    path = Path(path)
    if path.exists() and not (replace and path.is_dir()):
        raise FileExistsError(f"{path} exists; give another folder, or remove this one")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_temporaries(path.parent, path.name, DAY)
    temporary, replaced = temporary_path(path), temporary_path(path)
    temporary.mkdir()
    try:
        yield temporary
        for file in [*sorted(temporary.rglob("*")), temporary]:
            fsync_path(file)
        if path.exists():
            os.rename(path, replaced)
        os.rename(temporary, path)
        fsync_path(path.parent)
        shutil.rmtree(replaced, ignore_errors=True)
    except BaseException:
        if replaced.exists() and not path.exists():
            os.rename(replaced, path)
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_stale_temporaries(folder: str | os.PathLike, name: str = "", seconds: float = 0) -> None:
    """Remove the temporary files and folders of killed processes.

    Arguments
    ---------
    folder : str or Path
        The folder that contains them.
    name : str
        Name of the file or folder that was being written; by default, any name.
    seconds : float
        Minimum age: other processes may be writing there now.
    """
    for temporary in Path(folder).glob(f".{name or '*'}.*{PART}"):
        with contextlib.suppress(FileNotFoundError):  # another process renamed it
            if time.time() - temporary.stat().st_mtime < seconds:
                continue
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink()


def fsync_path(path: str | os.PathLike) -> None:
    """Flush a file, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_path(path: Path) -> Path:
    """A new name beside ``path``, which ``remove_stale_temporaries`` recognizes."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
