"""Read untrusted text, JSON, CSV and arrays: regular files, limited sizes, plain numbers."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

MAX_TEXT = 2**28  # bytes; enough for a manifest of a million utterances
MAX_JSON = 2**24  # bytes; its objects take some thirty times as much memory
MAX_INT = 2**63  # limit of an index, a size or a count
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"
}  # fmt: skip


def encoding_of(start: bytes) -> str:
    """The encoding that a text's first bytes name by a byte-order mark; without one, UTF-8."""
    marks = BYTE_ORDER_MARKS.items()
    return next((name for mark, name in marks if start.startswith(mark)), "utf-8")


def read_text(path: str | os.PathLike, most: int = MAX_TEXT, errors: str = "strict") -> str:
    """A file's text, in UTF-8 or what its byte-order mark says, its line ends as they are.

    Arguments
    ---------
    path : str or Path
        A regular file, or a link to one. Devices and pipes are not opened: reading could hang.
    most : int
        The largest size, in bytes.
    errors : str
        How ``bytes.decode`` handles invalid bytes.

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
        content = file.read(most)
    return content.decode(encoding_of(content), errors)


def read_json(path: str | os.PathLike, most: int = MAX_JSON) -> Any:
    """A file's JSON; numbers must be finite, and integers must fit into 64 bits.

    Raises
    ------
    OSError, ValueError
        As ``read_text``, or if it is not such JSON.
    """
    text = read_text(path, most)
    try:
        return json.loads(text, parse_float=_float, parse_int=_int, parse_constant=_float)
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


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text:.30} is not finite, or too large")
    return value


def _int(text: str) -> int:
    if len(text) > 20 or not -MAX_INT <= int(text) < MAX_INT:
        raise ValueError(f"the number {text:.30} is too large")
    return int(text)


WORDS = {
    "int": "a whole number", "float": "a number", "str": "a string", "bool": "true or false",
    "array": "a list", "object": "a table", ">=": "at least", "<=": "at most", ">": "more than",
    "|": "or", "Expected": "must be",
}  # fmt: skip


def mismatch(value: Any, kind: Any, name: str = "it") -> str | None:
    """How plain data differs from a type, as a sentence; None if it does not.

    Arguments
    ---------
    value : object
        A value as ``read_json`` returns it.
    kind : type
        A type for ``msgspec.convert``, e.g. a ``Struct``. ``float`` accepts whole numbers;
        no number accepts true or false.
    name : str
        What the sentence calls the value.

    Example
    -------
    >>> mismatch([1, True], list[bool | int])
    >>> mismatch([1, True], list[int])
    'it[1] is True; it must be a whole number'
    """
    try:
        msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        return _sentence(value, str(error), name)
    return None


def _sentence(value: Any, message: str, name: str) -> str:
    """Words for a message of msgspec, e.g. "Expected `int`, got `str` - at `$.folds[0]`"."""
    said, _, place = message.partition(" - at ")
    path, in_table, _ = place.rpartition("`$")[2].rstrip("`").partition("[...]")
    for key in re.findall(r"[^.\[\]]+", path):
        value = value[int(key) if isinstance(value, list) else key]
    said = said.partition(", got ")[0].replace("Object missing required field", "lacks")
    said = said.replace("Object contains unknown field", "has the unknown key")
    said = said.replace("Number out of range", "is too large").replace("`", "")
    words = " ".join(WORDS.get(word, word) for word in said.split(" "))
    if words.startswith("lacks") and not place:
        return f"{name} {words}"
    path = path.removeprefix(".") if path.startswith(".") else f"{name}{path}"
    part = "a key of " if "`key`" in place else "an entry of " if in_table else ""
    return f"{path} is {value!r:.80}; {part}it {words}"


MAX_ARRAYS = 2**30  # bytes, all arrays together
FORMAT = np.lib.format
WRITTEN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # other methods raise errors of other types


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
    if (version := FORMAT.read_magic(content)) != (1, 0):
        raise ValueError(f"an array has format {version}; allowed: (1, 0)")
    shape, by_columns, dtype = FORMAT.read_array_header_1_0(content)
    count = math.prod(shape)
    size = count * dtype.itemsize
    fits = min(shape, default=0) >= 0 and content.tell() + size == num_bytes
    if dtype.hasobject or not fits or (count and not size):
        raise ValueError(f"an array of {dtype} {shape} does not fit its {num_bytes} bytes")
    array = np.frombuffer(bytearray(content.read(size)), dtype, count)
    return array.reshape(shape, order="F" if by_columns else "C")
