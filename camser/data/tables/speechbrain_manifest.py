"""SpeechBrain's manifests: JSON by utterance, or CSV with an ID; spans are in samples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from camser.data.tables.columns import COLUMNS, TableError
from camser.data.tables.rows import Row, Rows
from camser.data.tables.text_files import open_text, read_csv

ROOT = re.compile(
    r"^(\{\w+\}|\$\{?\w+\}?)/"
)  # {data_root}/… or $data_root/…: the manifest's folder


def is_manifest(path: Path) -> bool:
    """Whether it is a JSON file, or a CSV whose first column is ID."""
    if path.suffix != ".csv":
        return path.suffix == ".json"
    try:
        with open_text(path) as file:
            return file.readline().startswith(("ID,", '"ID",'))
    except UnicodeError:
        return False


def read(path: Path) -> Rows:
    """Its utterances, with spans in seconds."""
    rows = _json(path) if path.suffix == ".json" else list(read_csv(path).rows)
    columns = dict.fromkeys(name for _, row in rows if isinstance(row, dict) for name in row)
    header = [name for name in columns if name not in ("start", "stop")]
    return Rows([*header, "start", "end"], _seconds(rows, path.parent), path.parent, "utterance")


def _json(path: Path) -> list[Row]:
    try:
        with open_text(path) as file:
            content = json.load(file)
    except (ValueError, RecursionError) as error:  # also UnicodeError
        raise TableError(f"{path} is not JSON: {error}") from error
    if isinstance(content, list):
        content = {number: values for number, values in enumerate(content, start=1)}
    if not isinstance(content, dict):
        raise TableError(f"{path}: must be a table by utterance, or a list; not {content!r:.40}")
    valid = "it is not a table"
    return [(name, row if isinstance(row, dict) else valid) for name, row in content.items()]


def _seconds(rows: Iterable[Row], folder: Path) -> Iterator[Row]:
    for name, row in rows:
        if isinstance(row, str):
            yield name, row
            continue
        name = row.get("ID", name)
        values = {key: _audio(value) for key, value in row.items()}
        span = next((v for v in values.values() if isinstance(v, Mapping)), row)
        values = {k: v.get("file") if isinstance(v, Mapping) else v for k, v in values.items()}
        if (stop := span.get("stop")) in (None, ""):
            yield name, values
            continue
        file = next((values[k] for k in ("wav", "sig", *COLUMNS["file"]) if k in values), "")
        try:
            rate = _rate(str(folder / str(file)))
            start = float(span.get("start") or 0) / rate
            yield name, {**values, "start": start, "end": float(stop) / rate}
        except (OSError, RuntimeError, ValueError) as error:
            yield name, f"its span in samples needs the sampling rate of {file}: {error}"


def _audio(value: Any) -> Any:
    """A file's path without its placeholder; a table of one file and its span as it is."""
    if isinstance(value, str):
        return ROOT.sub("", value)
    if isinstance(value, Mapping):
        files = value.get("files") or [value.get("file", "")]
        return {**value, "file": ROOT.sub("", str(files[0])) if len(files) == 1 else ""}
    return value


@lru_cache(maxsize=2**12)
def _rate(path: str) -> int:
    import soundfile

    return soundfile.info(path).samplerate
