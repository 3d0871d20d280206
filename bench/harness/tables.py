#!/usr/bin/env python3
"""The tables of a page of docs, made from the measurements' files.

    python bench/harness/tables.py docs/speed.md  # or calibration.md, published_system.md

Between ``<!-- FILE: TABLE -->`` and ``<!-- end -->`` stands the table of that name of
``bench/results/FILE.json``; ``<!-- FILE: machine -->`` tells what it was measured on.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from camser.runtime.files import atomic_write

RESULTS = Path(__file__).parents[1] / "results"
BLOCK = re.compile(r"(<!-- ([\w-]+): ([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same columns as a table; numbers to three digits, aligned to the right."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(3, *(len(line[i]) for line in cells)) for i in range(len(columns))]
    numeric = [all(is_number(row.get(c)) for row in rows) for c in columns]
    marks = ["-" * (w - 1) + ":" if n else "-" * w for w, n in zip(widths, numeric, strict=True)]
    aligned = [
        [c.rjust(w) if n else c.ljust(w) for c, w, n in zip(line, widths, numeric, strict=True)]
        for line in (cells[0], marks, *cells[1:])
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in aligned)


def is_number(value: Any) -> bool:
    """Whether a column of such values is one of numbers; an empty cell is no objection."""
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def cell(value: Any) -> str:
    """A value as it is printed: a number with three digits, more only before the point."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    digits = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def filled(text: str, folder: Path = RESULTS) -> str:
    """``text`` with what the files say between its marks."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{_block(folder, m[2], m[3])}\n\n{m[4]}", text)


def _block(folder: Path, name: str, table: str) -> str:
    path = folder / f"{name}.json"
    if not path.is_file():
        target = "make bench-gpu" if name.endswith("-gpu") else "make bench"
        if name.startswith("profile_"):
            target = "python bench/gpu_profile.py"
        return f"Not measured yet; run `{target}`."
    found = json.loads(path.read_text(encoding="utf-8"))
    if table == "machine":
        told = ", ".join(f"{k}: {v}" for k, v in found["machine"].items() if v is not None)
        return f"Measured on: {told}."
    if table not in found["tables"]:  # of a profile whose part was cut off, or failed
        return f"Not measured: {found['tables']['end'][0]['ended']}."
    return markdown(found["tables"][table])


def write_json(path: Path, value: Any) -> None:
    """Write a file of figures, whole or not at all."""
    with atomic_write(path) as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def fill_page(filled: Callable[[str], str], usage: str) -> None:
    """Fill in the page that the command line names."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {usage}")
    page = Path(sys.argv[1])
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    fill_page(filled, "python bench/harness/tables.py PAGE")
