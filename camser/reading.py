"""Text, JSON, tables that others may have written: regular files, bounded, plain numbers."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

MOST_TEXT = 2**28  # bytes: a manifest of a million utterances
MOST_JSON = 2**24  # its objects take some thirty times as much memory
MOST_INT = 2**63  # what an index, a size or a count can be


def read_text(path: str | os.PathLike, most: int = MOST_TEXT, errors: str = "strict") -> str:
    """A file's text, in UTF-8, its line ends as they are.

    Arguments
    ---------
    path : str or Path
        A regular file, or a link to one: what never ends, or waits for a writer, is not opened.
    most : int
        Bytes that it may have.
    errors : str
        What ``bytes.decode`` does with what is no UTF-8.

    Raises
    ------
    OSError
        If it is missing or cannot be read.
    ValueError
        If it is no regular file, larger, or no text.
    """
    path = Path(path)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")
    if status.st_size > most:
        raise ValueError(f"it has {status.st_size} bytes; at most {most} are read")
    with open(path, "rb") as file:
        return file.read(most).decode("utf-8", errors)


def read_json(path: str | os.PathLike, most: int = MOST_JSON) -> Any:
    """A file's JSON; numbers are finite, and integers fit into 64 bits.

    Raises
    ------
    OSError, ValueError
        As ``read_text``, or if it is no such JSON.
    """
    text = read_text(path, most)
    try:
        return json.loads(text, parse_float=_float, parse_int=_int, parse_constant=_constant)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def parse_rows(text: str, columns: Collection[str]) -> list[dict[str, str]]:
    """A CSV's rows, as strings by column.

    Arguments
    ---------
    text : str
        With a header.
    columns : collection of str
        Those that must be among its own.

    Raises
    ------
    ValueError
        If it is no CSV, or a row has not all columns.

    Example
    -------
    >>> parse_rows("id,label\\na,sad\\n", ["label"])
    [{'id': 'a', 'label': 'sad'}]
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        rows, found = list(reader), list(reader.fieldnames or ())
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if not {*columns} <= {*found} or len({*found}) < len(found):
        raise ValueError(f"its columns are {found!r:.200}")
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise ValueError(f"row {number} has not {len(found)} columns")
    return rows


def is_kind(value: Any, kind: Any) -> bool:
    """Whether plain data is what it must be, at every depth.

    Arguments
    ---------
    value : object
        As ``read_json`` gives it.
    kind : object
        A type (``float`` takes integers too, ``object`` anything); a list of one kind for a list
        of such; a table {str: kind} for a table of such; a tuple of kinds for any of them.

    Example
    -------
    >>> is_kind({"a": [1, 2]}, {str: [int]}), is_kind({"a": [1, True]}, {str: [int]})
    (True, False)
    """
    if isinstance(kind, tuple):
        return any(is_kind(value, one) for one in kind)
    if isinstance(kind, list):
        return isinstance(value, list) and all(is_kind(one, kind[0]) for one in value)
    if isinstance(kind, dict):
        inner = kind[str]
        return isinstance(value, dict) and all(is_kind(one, inner) for one in value.values())
    if kind is object:
        return True
    kinds = (int, float) if kind is float else kind
    return isinstance(value, kinds) and (kind is bool or not isinstance(value, bool))


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text:.30} is too large")
    return value


def _int(text: str) -> int:
    if len(text) > 20 or not -MOST_INT <= int(text) < MOST_INT:
        raise ValueError(f"the number {text:.30} is too large")
    return int(text)


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")
