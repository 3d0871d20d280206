"""Rows of CSV, TSV and JSON-lines files, read as a stream."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from camser.data.tables.columns import TableError
from camser.data.tables.rows import Row, Rows
from camser.runtime.safe_io import encoding_of

DELIMITERS = ",;\t|"


def open_text(path: Path) -> IO[str]:
    """Open a text file: UTF-8, or what its byte-order mark says."""
    try:
        with open(path, "rb") as file:
            start = file.read(3)
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from error
    return open(path, encoding=encoding_of(start), newline="")


def read_csv(path: Path) -> Rows:
    """Rows of a CSV or TSV; the delimiter is what the header has most of."""
    with open_text(path) as file:
        first = next(_lines(path, file), "")
    if not first.strip():
        raise TableError(f"{path} is empty; its first line must name the columns")
    delimiter = max(DELIMITERS, key=first.count)
    (header,) = csv.reader([first], delimiter=delimiter)
    if len({*header}) < len(header):
        twice = sorted({name for name in header if header.count(name) > 1})
        raise TableError(f"{path}: the columns {twice} occur twice; names must be unique")
    return Rows(header, _csv_rows(path, delimiter, header), path.parent, "line")


def _csv_rows(path: Path, delimiter: str, header: list[str]) -> Iterator[Row]:
    with open_text(path) as file:
        reader = csv.reader(_lines(path, file), delimiter=delimiter)
        next(reader)
        line = 2
        try:
            for values in reader:
                if len(values) == len(header):
                    yield line, dict(zip(header, values, strict=True))
                elif values:
                    yield line, f"{len(values)} columns instead of {len(header)}"
                line = reader.line_num + 1
        except csv.Error as error:
            raise TableError(f"{path}, line {line}: {error}") from error


def read_json_lines(path: Path) -> Rows:
    """Rows of a file with one JSON object a line; a column need not be in each of them."""
    rows = (values for _, values in _json_rows(path) if isinstance(values, dict))
    header = list(dict.fromkeys(name for values in rows for name in values))
    return Rows(header, _json_rows(path), path.parent, "line")


def _json_rows(path: Path) -> Iterator[Row]:
    with open_text(path) as file:
        for number, line in enumerate(_lines(path, file), start=1):
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield number, f"not JSON: {error}"
                continue
            yield number, values if isinstance(values, dict) else "not a JSON object"


def _lines(path: Path, file: IO[str]) -> Iterator[str]:
    number = 0
    try:
        for number, line in enumerate(file, start=1):
            if "\0" in line:
                raise TableError(f"{path}, line {number}: not text, or UTF-16; save it as UTF-8")
            yield line
    except UnicodeError as error:
        raise TableError(
            f"{path}, after line {number}: not UTF-8 text ({error}); save it as UTF-8"
        ) from error
