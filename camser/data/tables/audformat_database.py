"""An audformat database: its tables with the label, and what others know of the same files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from camser.data.tables.columns import COLUMNS, TableError, is_column
from camser.data.tables.rows import Row, Rows


def is_database(path: Path) -> bool:
    """Whether it is the folder of a database."""
    return (path / "db.yaml").is_file()


def read(folder: Path, named: Mapping[str, str | None]) -> Rows:
    """Its rows: each labelled file or segment once; ``named`` as in ``columns.find_columns``."""
    try:
        import audformat
    except ImportError as error:
        raise TableError(
            f'{folder}: this needs audformat, which is not installed: pip install "camser[tables]"'
        ) from error
    database = audformat.Database.load(str(folder))
    tables = {name: _columns(database, name, named) for name in database.tables}
    labelled = {name: found for name, found in tables.items() if "emotion" in found}
    if not labelled:
        known = {name: list(database[name].columns) for name in database.tables}
        raise TableError(f"{folder}: no column is known to be the emotion; its tables are {known}")
    return Rows([*COLUMNS], _rows(database, tables, labelled), folder, "row")


def _columns(database: Any, table: str, named: Mapping[str, str | None]) -> dict[str, str]:
    """The table's name of each recognized column."""
    found: dict[str, str] = {}
    for column in (name for name in COLUMNS if name != "file"):
        for name in sorted(database[table].columns):
            if name == named[column] if column in named else is_column(name, column):
                found.setdefault(column, name)
    return found


def _rows(
    database: Any,
    tables: Mapping[str, Mapping[str, str]],
    labelled: Mapping[str, Mapping[str, str]],
) -> Iterator[Row]:
    of_files: dict[str, dict[str, Any]] = {}  # what tables of whole files know
    for name, found in tables.items():
        if found and database[name].is_filewise and name not in labelled:
            for file, values in _values(database, name, found):
                of_files.setdefault(file[0], {}).update(values)
    seen = set()
    for name, found in labelled.items():
        split = database[name].split_id
        kind = {"split": str(database.splits[split].type)} if split else {}
        for (file, start, end), values in _values(database, name, found):
            if (file, start, end) not in seen:
                seen.add((file, start, end))
                place = {"file": file, "start": start, "end": end}
                yield f"{file} of {name}", {**of_files.get(file, {}), **kind, **values, **place}


def _values(database: Any, table: str, found: Mapping[str, str]) -> Iterator[tuple[tuple, dict]]:
    """File, start and end in seconds of each row, and its values; a speaker's gender too."""
    frame = database[table].df
    scheme = database[table].columns[found["speaker"]].scheme_id if "speaker" in found else None
    speakers = getattr(database.schemes.get(scheme), "labels", None) if scheme else None
    for place, row in frame.iterrows():
        file, *times = place if isinstance(place, tuple) else (place,)
        start, end = [None if t != t else t.total_seconds() for t in times] or [None, None]
        values = {column: row[own] for column, own in found.items()}
        values = {column: value for column, value in values.items() if value == value}
        known = speakers.get(values.get("speaker")) if isinstance(speakers, dict) else None
        if isinstance(known, dict) and "gender" in known:
            values.setdefault("gender", known["gender"])
        yield (file, start, end), values
