"""A folder of folders: each is a class, or a split that holds classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from camser.data.protocols import SPLITS
from camser.data.tables.columns import TableError
from camser.data.tables.rows import Row, Rows
from camser.data.tables.table import SPLIT

AUDIO = {
    ".3gp", ".aac", ".aif", ".aifc", ".aiff", ".amr", ".au", ".caf", ".flac", ".m4a", ".mka",
    ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".w64", ".wav", ".webm", ".wma",
}  # fmt: skip


def split_of(name: str) -> str | None:
    """The split that a file or folder is named after, e.g. valid for "dev"; None if it is none."""
    split = SPLIT.get(name.casefold(), name.casefold())
    return split if split in SPLITS else None


def read(folder: Path) -> Rows:
    """The audio files below the folders, at any depth."""
    inside = _folders(folder)
    if not inside:
        raise TableError(f"{folder} has no folders; each class needs one, e.g. {folder}/angry")
    if all(split_of(path.name) for path in inside):
        return Rows(["file", "emotion", "split"], _of_splits(inside), folder, "file")
    return Rows(["file", "emotion"], _of_classes(inside, {}), folder, "file")


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _of_splits(folders: list[Path]) -> Iterator[Row]:
    for folder in folders:
        yield from _of_classes(_folders(folder), {"split": split_of(folder.name)})


def _of_classes(folders: list[Path], more: dict[str, str | None]) -> Iterator[Row]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if path.suffix.lower() in AUDIO and not hidden:
                yield str(path), {"file": str(path.absolute()), "emotion": folder.name, **more}
