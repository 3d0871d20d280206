"""Data sets as Hugging Face's ``datasets`` has them, read without it: files and audio folders.

An audio folder holds recordings and metadata.csv (or .jsonl, .parquet), perhaps one in a folder of
each split. A data set is Parquet files of each split, or Arrow files that ``save_to_disk`` wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from camser.data.tables import files, parquet
from camser.data.tables.columns import TableError
from camser.data.tables.folders import split_of
from camser.data.tables.rows import Row, Rows

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
SHARD = re.compile(r"(-\d+(-of-\d+)?)+$")  # train-00000-of-00002


def metadata_files(folder: Path) -> list[Path]:
    """The metadata of an audio folder; empty if it is none."""
    found = [folder / name for name in METADATA] + [
        path for name in METADATA for path in folder.glob(f"*/{name}") if split_of(path.parent.name)
    ]
    return sorted(path for path in found if path.is_file())


def read_audio_folder(folder: Path) -> Rows:
    """Its rows."""
    tables = metadata_files(folder)
    return _joined({path: files.read(path) for path in tables}, folder)


def shards(folder: Path) -> list[Path]:
    """The files of a data set."""
    return sorted(path for suffix in parquet.SUFFIXES for path in folder.rglob(f"*{suffix}"))


def read_shards(folder: Path, audio_folder: Path | None) -> Rows:
    """The rows of a data set; a split is what a file, or the folder of Arrow files, is named."""
    found = shards(folder)
    places = {path.parent for path in found if split_of(path.parent.name) is None}
    if len(places) > 1:
        names = sorted(str(place.relative_to(folder)) for place in places)
        raise TableError(f"{folder} holds several data sets, {', '.join(names)}; name one of them")
    return _joined({path: parquet.read(path, audio_folder) for path in found}, folder)


def _joined(tables: dict[Path, Rows], folder: Path) -> Rows:
    header = dict.fromkeys(name for rows in tables.values() for name in rows.header)
    splits = {
        path: split_of(SHARD.sub("", path.stem)) or split_of(path.parent.name) for path in tables
    }
    more = ["split"] if len({*splits.values()} - {None}) > 1 and "split" not in header else []
    rows = (row for path in tables for row in _of_one(tables[path], path, splits[path], bool(more)))
    return Rows([*header, *more], rows, folder)


def _of_one(table: Rows, path: Path, split: str | None, with_split: bool) -> Iterator[Row]:
    name = next((name for name in ("file", "file_name") if name in table.header), "")
    for where, values in table.rows:
        if not isinstance(values, str):
            file = {name: str(table.folder.absolute() / values[name])} if values.get(name) else {}
            values = {**values, **file, **({"split": split} if with_split else {})}
        yield f"{where} of {path.name}", values


def download(source: str) -> Path:
    """The folder of the hub's data set ``owner/name`` or ``owner/name:folder``, in its cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, inside = source.partition(":")
    if not HUB_NAME.fullmatch(name) or Path(name).suffix in files.SUFFIXES:
        raise TableError(f"{source}: there is no such file or folder")
    try:
        folder = Path(snapshot_download(name, repo_type="dataset"))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise TableError(
            f"{source}: there is no such file or folder, and as a data set of the Hugging Face hub "
            f"it cannot be fetched: {error}"
        ) from error
    return folder / inside
