"""A corpus's folder as people have it: names in any case, links, folders that cannot be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple


class _Listing(NamedTuple):
    """The names in a folder, sorted, and whether each is a folder; and by their folded case."""

    names: dict[str, bool]
    folded: dict[str, str]


class CorpusFolder:
    """The files of a corpus's folder. Hidden ones, such as macOS's ``._*``, are passed over.

    Paths are relative to the folder, with forward slashes. Each folder is listed once.

    Arguments
    ---------
    path : Path
        The folder.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     Path(place, "Wav").mkdir()
    ...     Path(place, "Wav", "a.WAV").touch()
    ...     folder = CorpusFolder(Path(place))
    ...     folder.find("wav/A.wav"), list(folder.files((".wav",)))
    ('Wav/a.WAV', ['Wav/a.WAV'])
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unreadable: dict[str, str] = {}  # why, by folder
        self._listed: dict[str, _Listing] = {}

    @property
    def problems(self) -> list[str]:
        """The folders that could not be read so far, with the reason."""
        return [f"{self.path / f}: cannot be read: {why}" for f, why in self._unreadable.items()]

    def is_unreadable(self, path: str) -> bool:
        """Whether it, or a folder above it, could not be read."""
        return any(f"{path}/".startswith(f"{folder}/") for folder in self._unreadable)

    def entries(self, folder: str = "") -> dict[str, bool]:
        """The names in a folder, sorted, and whether each is a folder; empty without the folder."""
        return self._listing(folder).names

    def find(self, path: str) -> str | None:
        """A path as it is spelled in this folder; case does not matter. None if it is not there."""
        found = ""
        for name in path.split("/"):
            names, folded = self._listing(found)
            spelled = name if name in names else folded.get(name.casefold())
            if spelled is None:
                return None
            found = _join(found, spelled)
        return found

    def files(
        self, suffixes: Collection[str], folder: str = "", above: frozenset[str] = frozenset()
    ) -> Iterator[str]:
        """The files at any depth below a folder whose suffix, in lower case, is one of these.

        Links are followed, but not to a folder ``above``.
        """
        real = os.path.realpath(self.path / folder)
        for name, is_folder in self.entries(folder).items() if real not in above else ():
            if is_folder:
                yield from self.files(suffixes, _join(folder, name), above | {real})
            elif os.path.splitext(name)[1].lower() in suffixes:
                yield _join(folder, name)

    def _listing(self, folder: str) -> _Listing:
        if folder not in self._listed:
            names = dict(sorted(self._list(folder)))
            folded = {name.casefold(): name for name in reversed(names)}
            self._listed[folder] = _Listing(names, folded)
        return self._listed[folder]

    def _list(self, folder: str) -> list[tuple[str, bool]]:
        try:
            with os.scandir(self.path / folder) as entries:
                return [(e.name, os.path.isdir(e)) for e in entries if not e.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self._unreadable[folder] = str(error.strerror)
            return []


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def why_missing(path: str | os.PathLike) -> str | None:
    """Why there is no file to read at a path; None if there is one."""
    try:
        return None if stat.S_ISREG(os.stat(path).st_mode) else "is not a file"
    except (FileNotFoundError, NotADirectoryError):
        return "there is no such file"
    except (OSError, ValueError) as error:  # a name with NUL
        return f"cannot be read: {getattr(error, 'strerror', error)}"


def folder_hint(path: str | Path, is_right: Callable[[CorpusFolder], object]) -> str:
    """ "; try …" with the nearest right folder: spelled in another case, inside, or above.

    Empty if there is none.
    """
    path = Path(path).absolute()
    spelled = CorpusFolder(path.parent).find(path.name)
    inside = [name for name, is_folder in CorpusFolder(path).entries().items() if is_folder]
    near = [path.parent / spelled] if spelled else []
    near += [*(path / name for name in inside), *path.parents]
    right = next((folder for folder in near if is_right(CorpusFolder(folder))), None)
    return f"; try {right}" if right else ""
