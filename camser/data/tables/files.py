"""One table file, or a folder of one for each split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from camser.data.tables import parquet, speechbrain_manifest, text_files
from camser.data.tables.columns import TableError
from camser.data.tables.folders import split_of
from camser.data.tables.rows import Row, Rows

SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")


def read(path: Path) -> Rows:
    """Its rows, by the suffix of its name."""
    if speechbrain_manifest.is_manifest(path):
        return speechbrain_manifest.read(path)
    if path.suffix == ".parquet":
        return parquet.read(path)
    if path.suffix in (".jsonl", ".ndjson"):
        return text_files.read_json_lines(path)
    if path.suffix in SUFFIXES:
        return text_files.read_csv(path)
    raise TableError(f"{path} is no table; allowed: {', '.join(SUFFIXES)}")


def split_files(folder: Path) -> dict[str, Path]:
    """The tables of a folder that are named after splits, if train is among them."""
    tables = sorted(p for p in folder.glob("*") if p.suffix in SUFFIXES and split_of(p.stem))
    splits = {str(split_of(path.stem)): path for path in tables}
    return splits if "train" in splits and len(splits) > 1 else {}


def read_splits(folder: Path) -> Rows:
    """The rows of all of them, each with its split."""
    found = {split: read(path) for split, path in split_files(folder).items()}
    header = dict.fromkeys(name for rows in found.values() for name in rows.header)
    names = [name for name in header if name != "split"]
    return Rows([*names, "split"], _joined(found), folder, "row")


def _joined(found: dict[str, Rows]) -> Iterator[Row]:
    for split, rows in found.items():
        for where, values in rows.rows:
            if not isinstance(values, str):
                values = {**values, "split": split}
            yield f"{where} of {split}", values
