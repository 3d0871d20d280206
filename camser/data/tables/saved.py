"""A table that a file describes: what the recipe for your own labels reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from camser.data.prepare import CorpusError, CorpusScan
from camser.data.tables.columns import TableError
from camser.data.tables.read import read_table
from camser.runtime.files import atomic_write

KEYS = (
    "source", "columns", "form", "corpus", "labels", "merge_labels", "allow_missing", "folder",
    "audio_folder",
)  # fmt: skip


class SavedTable:
    """The scanner of the table that a YAML describes, see ``prepare.CorpusScanner``.

    Arguments
    ---------
    path : Path
        A YAML with arguments of ``read.read_table``; a relative ``source`` begins in its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, data_folder: Path) -> CorpusScan:
        """Read the table.

        Raises
        ------
        CorpusError
            If the YAML or the table is not valid, or ``data_folder`` is not the table's.
        """
        arguments = self.arguments()
        try:
            table = read_table(**arguments)
        except TableError as error:
            raise CorpusError(str(error)) from error
        if table.data_folder.resolve() != data_folder.resolve():
            raise CorpusError(
                f"data_folder is {data_folder}; the recordings of {arguments['source']} are in "
                f"{table.data_folder}: give --data_folder={table.data_folder}"
            )
        return table(data_folder)

    def arguments(self) -> dict[str, Any]:
        """The arguments of ``read.read_table``.

        Raises
        ------
        CorpusError
            If the YAML is not valid.
        """
        try:
            content = yaml.safe_load(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CorpusError(
                f"{self.path} is missing; it must say where the labels are, e.g. source: labels.csv"
            ) from None
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise CorpusError(f"{self.path} cannot be read: {error}") from error
        if not isinstance(content, dict) or not isinstance(content.get("source"), str):
            raise CorpusError(f"{self.path}: it must have a source, e.g. source: labels.csv")
        if unknown := sorted(set(content) - set(KEYS)):
            raise CorpusError(f"{self.path}: {unknown}; allowed: {', '.join(KEYS)}")
        if (self.path.parent / content["source"]).exists():
            content["source"] = self.path.parent / content["source"]
        return content


def save_table(path: Path, arguments: Mapping[str, Any]) -> None:
    """Write arguments of ``read.read_table`` for ``SavedTable``."""
    with atomic_write(path) as file:
        yaml.safe_dump(dict(arguments), file, sort_keys=False, allow_unicode=True)
