"""Files and folders that are whole or absent: written beside their place, flushed, renamed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def replacing(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Open a new file that takes ``path``'s place when the block ends without an error.

    Readers see the old file or the new one, never a part; a killed process leaves only a
    temporary file, whose name begins with a dot, that nothing reads.

    Arguments
    ---------
    path : str or Path
        The file to write; its folder is made if need be.
    mode : str
        "w" for text (UTF-8) or "wb".
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
        with os.fdopen(handle, mode, **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def replacing_folder(path: str | os.PathLike, replace: bool = False) -> Iterator[Path]:
    """A new folder that appears at ``path``, whole, when the block ends without an error.

    A killed process leaves only a folder whose name begins with a dot, that nothing reads.

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
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        for file in [*sorted(temporary.rglob("*")), temporary]:
            os.chmod(file, (0o777 if file.is_dir() else 0o666) & ~_umask())
            flush(file)
        if path.exists():
            aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
            os.rename(path, aside / path.name)
            os.rename(temporary, path)
            shutil.rmtree(aside)
        else:
            os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def flush(path: str | os.PathLike) -> None:
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


def digest(path: str | os.PathLike) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a file's bytes."""
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()[:16]
