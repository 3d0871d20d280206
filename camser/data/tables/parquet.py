"""Rows of Parquet and Arrow files; ``datasets`` writes both, with recordings inside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from camser.data.tables.columns import TableError
from camser.data.tables.rows import Row, Rows

SUFFIXES = (".parquet", ".arrow")
BATCH = 256  # rows in memory: they may hold recordings


def read(path: Path, audio_folder: Path | None = None) -> Rows:
    """The rows of a file. Its class numbers are named, its recordings written to files.

    Arguments
    ---------
    path : Path
        A Parquet file, or an Arrow stream of ``save_to_disk``.
    audio_folder : Path, optional
        Where recordings that are in no file of their own are written.
    """
    schema, _ = _open(path)
    names, audio = _features(schema)
    header = ["file" if name == audio else name for name in schema.names]
    return Rows(header, _rows(path, names, audio, audio_folder), path.parent)


def _open(path: Path) -> tuple[Any, Iterator[Any]]:
    """The schema and the batches."""
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise TableError(
            f'{path}: this needs pyarrow, which is not installed: pip install "camser[tables]"'
        ) from error
    try:
        if path.suffix == ".arrow":
            stream = pyarrow.ipc.open_stream(pyarrow.memory_map(str(path)))
            return stream.schema, iter(stream)
        file = ParquetFile(path)
        return file.schema_arrow, file.iter_batches(BATCH)
    except (OSError, pyarrow.ArrowException) as error:
        raise TableError(f"{path} is no readable {path.suffix} file: {error}") from error


def _features(schema: Any) -> tuple[dict[str, list[str]], str | None]:
    """What ``datasets`` says of columns: the names of class numbers, and which holds recordings."""
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        types = {name: feature["_type"] for name, feature in told.items()}
    except (KeyError, TypeError, ValueError):
        return {}, None
    names = {name: told[name]["names"] for name, kind in types.items() if kind == "ClassLabel"}
    return names, next((name for name, kind in types.items() if kind == "Audio"), None)


def _rows(
    path: Path, names: Mapping[str, list[str]], audio: str | None, audio_folder: Path | None
) -> Iterator[Row]:
    number = 0
    for batch in _open(path)[1]:
        for values in batch.to_pylist():
            number += 1
            for name in names:
                if isinstance(label := values[name], int):  # -1 is no label
                    values[name] = names[name][label] if 0 <= label < len(names[name]) else ""
            if audio and values[audio]:
                values["file"] = _file(values[audio], f"{path.stem}-{number:06d}", audio_folder)
                if values["file"] is None:
                    yield number, "its audio is in no file; give audio_folder, where it is written"
                    continue
            yield number, values


def _file(audio: Mapping[str, Any], name: str, folder: Path | None) -> str | None:
    """The path of a recording; its bytes are written unless they are there."""
    own, content = Path(audio.get("path") or ""), audio.get("bytes")
    if content is None or (own.is_absolute() and own.is_file()):
        return str(own)
    if folder is None:
        return None
    path = folder.absolute() / f"{name}-{own.name}"
    if not path.is_file() or path.stat().st_size != len(content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return str(path)
