"""A corpus of EmoBox's metadata (Ma et al., 2024): a JSON-lines file, and its folds in folders.

Its files occur in two forms, ``wav, emo`` and ``audio, label``; both are recognized as columns.
Some have a name without the second underscore, ``emodb_test_fold1.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from camser.data.protocols import SPLITS
from camser.data.tables.rows import Row, Rows
from camser.data.tables.text_files import read_json_lines


def is_emobox(path: Path) -> bool:
    """Whether it is a folder with folds."""
    return any(path.glob("fold_*/*_test_*.jsonl"))


def read(folder: Path) -> Rows:
    """Its utterances, with their ``split``.

    That is the name of the fold that tests each; of a corpus with one fold: train, valid or test.
    Paths are relative to a folder above: to the first in which the first file is.
    """
    folds = sorted(folder.glob("fold_*"))
    tested = {path.name: _rows_of(path, "test") for path in folds}
    splits = {row["key"]: name for name, rows in tested.items() for row in _valid(rows)}
    listed = [pair for rows in tested.values() for pair in rows]
    if len(folds) == 1:
        parts = {split: _rows_of(folds[0], split) for split in SPLITS}
        splits = {row["key"]: split for split, rows in parts.items() for row in _valid(rows)}
        listed = [pair for rows in parts.values() for pair in rows]
    whole = folder / f"{folder.name}.jsonl"
    found = list(read_json_lines(whole).rows) if whole.is_file() else listed
    header = dict.fromkeys(name for row in _valid(found) for name in row)
    names = [name for name in header if name != "split"]
    return Rows([*names, "split"], _with_splits(found, splits), _root(folder, found), "line")


def read_training(folder: Path) -> dict[str, set[str]]:
    """The keys of the utterances that each fold trains and validates on, by the fold's name."""
    return {
        fold.name: {row["key"] for s in ("train", "valid") for row in _valid(_rows_of(fold, s))}
        for fold in sorted(folder.glob("fold_*"))
    }


def file_of(row: dict) -> str:
    """The path of a row's recording, in either form."""
    return str(row.get("wav") or row.get("audio") or "")


def emotion_of(row: dict) -> str:
    """The label of a row, in either form."""
    return str(row.get("emo") or row.get("label") or "")


def _rows_of(fold: Path, split: str) -> list[Row]:
    """The rows of a split; where it has several files, they are the same in two forms."""
    return [row for path in sorted(fold.glob(f"*_{split}_*.jsonl"))[:1] for row in _lines(path)]


def _lines(path: Path) -> list[Row]:
    return list(read_json_lines(path).rows)


def _valid(rows: list[Row]) -> Iterator[dict]:
    return (row for _, row in rows if isinstance(row, dict) and "key" in row)


def _with_splits(rows: list[Row], splits: dict[str, str]) -> Iterator[Row]:
    for line, row in rows:
        if isinstance(row, str):
            yield line, row
        else:
            yield line, {**row, "split": splits.get(row.get("key", ""), "")}


def _root(folder: Path, rows: list[Row]) -> Path:
    file = next(map(file_of, _valid(rows)), "")
    above = [folder, *folder.absolute().parents[:3]]
    return next((path for path in above if (path / file).is_file()), folder)
