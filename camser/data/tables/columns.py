"""The columns of a table: recognized by their names, or named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from camser.registry import did_you_mean

# By what it is called here: what others call it. Case, spaces and hyphens do not matter.
COLUMNS = {
    "file": ("filename", "file_name", "path", "filepath", "file_path", "wav", "wav_path", "audio",
             "audio_file", "audio_path", "recording"),
    "emotion": ("emo", "label", "class", "category", "emotion_label"),
    "speaker": ("speaker_id", "spk", "spk_id", "spkid", "speakerid", "subject", "actor"),
    "start": ("begin", "onset", "start_time", "start_seconds"),
    "end": ("end_time", "end_seconds"),
    "split": ("partition", "subset", "set", "fold"),
    "gender": ("sex",),
    "text": ("transcript", "transcription", "sentence", "words"),
    "session": ("session_id",),
    "language": ("lang", "locale"),
}  # fmt: skip
NEEDED = ("file", "emotion")


class TableError(ValueError):
    """A table cannot be used; the message lists all its problems.

    Attributes
    ----------
    table : Table or None
        What is left without the rows that have problems.
    """

    def __init__(self, message: str, table: Any = None) -> None:
        super().__init__(message)
        self.table = table


def find_columns(
    header: Sequence[str], named: Mapping[str, str | None], source: str
) -> dict[str, str]:
    """The table's name of each recognized column that it has.

    Arguments
    ---------
    header : sequence of str
        The names of the table's columns.
    named : mapping of str to str or None
        The table's names where they are not recognized; None: the column is not used.
    source : str
        The table's name in messages.

    Raises
    ------
    TableError
        If a named column is not there, a name is not unique, or there is no file or emotion.

    Example
    -------
    >>> find_columns(["Path", "Mood", "Sex"], {"emotion": "Mood", "gender": None}, "labels.csv")
    {'file': 'Path', 'emotion': 'Mood'}
    """
    problems, found = [], {}
    for name in named:
        if name not in COLUMNS:
            problems.append(f"columns has {name!r}; allowed: {', '.join(COLUMNS)}")
    for name in COLUMNS:
        if name in named:
            if (own := named[name]) in header and own is not None:
                found[name] = own
            elif own is not None:
                problems.append(f"no column {own!r} for the {name}.{did_you_mean(own, header)}")
            continue
        own = [h for h in header if h not in named.values()]
        candidates = [h for h in own if _plain(h) == name]
        candidates = candidates or [h for h in own if is_column(h, name)]
        if len(candidates) > 1:
            problems.append(f"{candidates} may all be the {name}; name one: {{{name}: …}}")
        elif candidates:
            found[name] = candidates[0]
        elif name in NEEDED:
            problems.append(f"no column is known to be the {name}; name it: {{{name}: …}}")
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise TableError(f"{source}: its columns are {', '.join(map(repr, header))}{lines}")
    return found


def is_column(header: str, name: str) -> bool:
    """Whether a column's name is known to be one of ``COLUMNS``."""
    return _plain(header) in (name, *COLUMNS[name])


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")
