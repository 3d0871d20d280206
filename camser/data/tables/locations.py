"""Where the recordings of a table are: absolute paths, and the folder that holds all of them."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path


def locate(root: str, file: str) -> tuple[str, bool]:
    """The path of a file, relative to ``root`` if it is inside, and whether it exists.

    Links are followed, so that the path is that of the file itself. Backslashes divide too.
    """
    path, exists = _locate(root, file.replace("\\", "/"))
    return path[len(root) + 1 :] if path.startswith(root + "/") else path, exists


@lru_cache(maxsize=2**12)  # of a table sorted by file, or of one with a few long files
def _locate(root: str, file: str) -> tuple[str, bool]:
    path = os.path.join(root, file)
    path = os.path.join(real_folder(os.path.dirname(path)), os.path.basename(path))
    if os.path.islink(path):
        path = os.path.realpath(path)
    return path.replace(os.sep, "/"), os.path.isfile(path)


@lru_cache(maxsize=2**12)
def real_folder(folder: str | Path) -> str:
    """A folder's absolute path, links followed."""
    return os.path.realpath(folder).replace(os.sep, "/").rstrip("/")


def common_folder(root: str, paths: Collection[str]) -> tuple[str, dict[str, str]]:
    """``root`` or, if a path is absolute, the deepest folder of all; and paths relative to it."""
    if not any(map(os.path.isabs, paths)):
        return root, {path: path for path in paths}
    absolute = {path: os.path.join(root, path) for path in paths}
    base = os.path.commonpath([os.path.dirname(path) for path in absolute.values()])
    return base, {p: Path(full).relative_to(base).as_posix() for p, full in absolute.items()}
