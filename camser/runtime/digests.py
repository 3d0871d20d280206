"""JSON that stores a checksum of its own content, so that any change is detected."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

DIGEST_KEY = "digest"


def add_digest(values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` with a ``digest`` of all of them: 16 hexadecimal digits.

    The order of keys and whitespace do not matter.

    Arguments
    ---------
    values : mapping
        Values that JSON can store; an old digest is replaced.

    Raises
    ------
    ValueError
        If a number is not finite.

    Example
    -------
    >>> values = add_digest({"WA": 0.5})
    >>> digest_matches(values), digest_matches({**values, "WA": 0.7}), digest_matches({"WA": 0.5})
    (True, False, False)
    """
    plain = json.loads(json.dumps(dict(values), allow_nan=False))
    return {**plain, DIGEST_KEY: _digest(plain)}


def digest_matches(values: Any) -> bool:
    """Whether ``values`` have a digest and it matches them."""
    return isinstance(values, Mapping) and values.get(DIGEST_KEY) == _digest(values)


def read_json_with_digest(path: Path) -> dict[str, Any] | None:
    """A file's JSON; None if it is missing, is not JSON, or its digest does not match."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    return values if digest_matches(values) else None


def _digest(values: Mapping[str, Any]) -> str:
    """The digest of all values but an earlier digest."""
    others = {name: value for name, value in values.items() if name != DIGEST_KEY}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()[:16]


def digest(path: str | os.PathLike) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a file's bytes."""
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            sha.update(data)
    return sha.hexdigest()[:16]


class FileRecord(Struct):
    """What identifies a file's content: its size in bytes, and its ``digest``."""

    bytes: int
    digest: str


def file_record(path: Path) -> dict[str, Any]:
    """The ``FileRecord`` of a file, as a table."""
    return {"bytes": path.stat().st_size, "digest": digest(path)}


def compare_with_record(path: Path, record: Any, check_digest: bool = True) -> str | None:
    """How a file differs from its ``file_record``; None if it does not.

    Arguments
    ---------
    path : Path
        The file.
    record : object
        Its record. A value of another type describes no file, and every file differs from it.
    check_digest : bool
        Whether the digest is compared too, or only the size.
    """
    record = record if isinstance(record, Mapping) else {}
    if not path.is_file():
        return f"{path.name} is missing"
    if path.stat().st_size != record.get("bytes"):
        return f"{path.name} has {path.stat().st_size} bytes instead of {record.get('bytes')}"
    changed = check_digest and digest(path) != record.get("digest")
    return f"{path.name} has changed" if changed else None
