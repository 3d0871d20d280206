"""Read untrusted text, JSON, CSV and arrays: regular files, limited sizes, plain numbers."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

MAX_TEXT = 2**28  # bytes; enough for a manifest of a million utterances
MAX_JSON = 2**24  # bytes; its objects take some thirty times as much memory
MAX_INT = 2**63  # limit of an index, a size or a count


def read_text(path: str | os.PathLike, most: int = MAX_TEXT, errors: str = "strict") -> str:
    """A file's text, in UTF-8, its line ends as they are.

    Arguments
    ---------
    path : str or Path
        A regular file, or a link to one. Devices and pipes are not opened: reading could hang.
    most : int
        The largest size, in bytes.
    errors : str
        How ``bytes.decode`` handles invalid UTF-8.

    Raises
    ------
    OSError
        If it is missing or cannot be read.
    ValueError
        If it is not a regular file, is larger, or is not valid text.
    """
    path = Path(path)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    if status.st_size > most:
        raise ValueError(f"it has {status.st_size} bytes; at most {most} are allowed")
    with open(path, "rb") as file:
        return file.read(most).decode("utf-8", errors)


def read_json(path: str | os.PathLike, most: int = MAX_JSON) -> Any:
    """A file's JSON; numbers must be finite, and integers must fit into 64 bits.

    Raises
    ------
    OSError, ValueError
        As ``read_text``, or if it is not such JSON.
    """
    text = read_text(path, most)
    try:
        return json.loads(text, parse_float=_float, parse_int=_int, parse_constant=_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_csv(text: str, columns: Collection[str]) -> list[dict[str, str]]:
    """A CSV's rows, as strings by column.

    Arguments
    ---------
    text : str
        A CSV with a header.
    columns : collection of str
        Names of the required columns.

    Raises
    ------
    ValueError
        If it is not valid CSV, a column is missing or repeated, or a row has a wrong length.

    Example
    -------
    >>> parse_csv("id,label\\na,sad\\n", ["label"])
    [{'id': 'a', 'label': 'sad'}]
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        rows, header = list(reader), list(reader.fieldnames or ())
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if not {*columns} <= {*header} or len({*header}) < len(header):
        required = ", ".join(sorted(columns))
        raise ValueError(
            f"its columns are {header!r:.200}; names must be unique; required: {required}"
        )
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise ValueError(f"row {number} does not have {len(header)} columns")
    return rows


def matches_type(value: Any, kind: Any) -> bool:
    """Whether plain data has the required type, at every depth.

    Arguments
    ---------
    value : object
        A value as ``read_json`` returns it.
    kind : object
        A type (``float`` accepts integers too, ``object`` anything); [kind] for a list of that
        kind; {str: kind} for a table of that kind; a tuple of kinds for any of them.

    Example
    -------
    >>> matches_type({"a": [1, 2]}, {str: [int]}), matches_type({"a": [1, True]}, {str: [int]})
    (True, False)
    """
    if isinstance(kind, tuple):
        return any(matches_type(value, one) for one in kind)
    if isinstance(kind, list):
        return isinstance(value, list) and all(matches_type(one, kind[0]) for one in value)
    if isinstance(kind, dict):
        inner = kind[str]
        return isinstance(value, dict) and all(matches_type(one, inner) for one in value.values())
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
    if len(text) > 20 or not -MAX_INT <= int(text) < MAX_INT:
        raise ValueError(f"the number {text:.30} is too large")
    return int(text)


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


MAX_ARRAYS = 2**30  # bytes, all arrays together
FORMAT = np.lib.format
WRITTEN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # other methods raise errors of other types
HEADERS = {(1, 0): FORMAT.read_array_header_1_0, (2, 0): FORMAT.read_array_header_2_0}


def read_npz(path: str | os.PathLike, most: int = MAX_ARRAYS) -> dict[str, np.ndarray]:
    """The arrays of an npz file, by name.

    The size in a header is compared with the size of its data before memory is allocated.

    Arguments
    ---------
    path : str or Path
        A file that ``numpy.savez_compressed`` wrote.
    most : int
        The largest size of all arrays together, in bytes.

    Raises
    ------
    OSError, ValueError
        If it is missing, corrupt or larger, or contains Python objects.
    """
    try:
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
            if sum(member.file_size for member in members) > most:
                raise ValueError(f"its arrays have more than {most} bytes")
            arrays = {}
            for member in members:
                if member.compress_type not in WRITTEN:
                    raise ValueError(
                        f"{member.filename} has compression method {member.compress_type}; "
                        f"allowed: stored (0), deflated (8)"
                    )
                with file.open(member) as content:
                    arrays[member.filename.removesuffix(".npy")] = _array(content, member.file_size)
            return arrays
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _array(content: IO[bytes], num_bytes: int) -> np.ndarray:
    version = FORMAT.read_magic(content)
    if version not in HEADERS:
        raise ValueError(f"an array has format {version}; allowed: {', '.join(map(str, HEADERS))}")
    shape, by_columns, dtype = HEADERS[version](content)
    count = math.prod(shape)
    size = count * dtype.itemsize
    fits = min(shape, default=0) >= 0 and content.tell() + size == num_bytes
    if dtype.hasobject or not fits or (count and not size):
        raise ValueError(f"an array of {dtype} {shape} does not fit its {num_bytes} bytes")
    array = np.frombuffer(bytearray(content.read(size)), dtype, count)
    return array.reshape(shape, order="F" if by_columns else "C")
