"""Lists of labels that a corpus brings beside its recordings: CSV files, or lines of text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from camser.data.corpus_folder import CorpusFolder
from camser.data.manifest import resolve_inside
from camser.data.tables.text_files import read_csv
from camser.runtime.safe_io import read_text


class LabelList(msgspec.Struct, forbid_unknown_fields=True):
    """A list, as a corpus's YAML declares it.

    Arguments
    ---------
    file : str
        Its name; it may lie in any folder of the corpus.
    id : str
        The recording's ``id`` by columns of the CSV: ``dia{Dialogue_ID}_utt{Utterance_ID}``.
    values : dict of str to str
        Fields of the utterance in the same way: ``{emotion: "{Emotion}"}``.
    line : str
        In place of both, for a text that is no CSV: a regular expression for the beginning of a
        line, with groups ``id`` and fields.
    """

    file: str
    id: str = ""
    values: dict[str, str] = {}
    line: str = ""

    def rows(self, folder: CorpusFolder) -> Iterator[tuple[str, Mapping[str, str] | str]]:
        """For each row its place, and its ``id`` and fields, or what is wrong with it.

        Raises
        ------
        ValueError
            If the list is missing or cannot be read.
        """
        suffix = os.path.splitext(self.file)[1].lower()
        paths = [
            path
            for path in folder.files((suffix,))
            if path.rpartition("/")[2].lower() == self.file.lower()
        ]
        if not paths:
            raise ValueError(f"{folder.path / self.file}: is missing, and in no folder below")
        path = resolve_inside(folder.path, min(paths, key=len))
        return self._lines(path) if self.line else self._csv(path)

    def _lines(self, path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
        for number, line in enumerate(read_text(path, errors="replace").splitlines(), start=1):
            if match := re.match(self.line, line):
                yield f"{path}, line {number}", match.groupdict("")

    def _csv(self, path: Path) -> Iterator[tuple[str, Mapping[str, str] | str]]:
        content = read_csv(path)
        for number, row in content.rows:
            place = f"{path}, line {number}"
            if isinstance(row, str):
                yield place, row
                continue
            try:
                fields = {name: text.format_map(row) for name, text in self.values.items()}
                yield place, {"id": self.id.format_map(row), **fields}
            except KeyError as error:
                columns = ", ".join(content.header)
                raise ValueError(f"{path}: no column {error}; it has: {columns}") from error
