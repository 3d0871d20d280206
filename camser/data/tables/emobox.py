"""A corpus of EmoBox's metadata: a JSON-lines file, and its folds in folders.

Its files occur in two forms, ``wav, emo`` and ``audio, label``; both are recognized as columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from camser.data.tables.rows import Row, Rows
from camser.data.tables.text_files import read_json_lines


def is_emobox(path: Path) -> bool:
    """Whether it is a folder with folds."""
    return any(path.glob("fold_*/*_test_*.jsonl"))


def read(folder: Path) -> Rows:
    """Its utterances; ``split`` is the fold that tests each.

    Paths are relative to a folder above: to the first in which the first file is.
    """
    folds: dict[str, str] = {}
    tested: list[Row] = []
    for fold in sorted(folder.glob("fold_*")):
        for path in sorted(fold.glob("*_test_*.jsonl"))[:1]:  # several are the same in other forms
            rows = list(read_json_lines(path).rows)
            tested += rows
            folds |= {row["key"]: fold.name for _, row in rows if not isinstance(row, str)}
    whole = folder / f"{folder.name}.jsonl"
    found = list(read_json_lines(whole).rows) if whole.is_file() else tested
    header = dict.fromkeys(name for _, row in found if not isinstance(row, str) for name in row)
    names = [name for name in header if name != "split"]
    return Rows([*names, "split"], _rows(found, folds), _root(folder, found), "line")


def _rows(rows: list[Row], folds: dict[str, str]) -> Iterator[Row]:
    for line, row in rows:
        if isinstance(row, str):
            yield line, row
        else:
            yield line, {**row, "split": folds.get(row.get("key", ""), "")}


def _root(folder: Path, rows: list[Row]) -> Path:
    first = next((row for _, row in rows if not isinstance(row, str)), {})
    file = str(first.get("wav") or first.get("audio") or "")
    above = [folder, *folder.absolute().parents[:3]]
    return next((path for path in above if (path / file).is_file()), folder)
