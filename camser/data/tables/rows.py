"""The rows of a table, as its reader finds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Row = tuple[int | str, Mapping[str, Any] | str]


class Rows(NamedTuple):
    """What a reader returns.

    Arguments
    ---------
    header : sequence of str
        The names of the columns.
    rows : iterable of (int or str, mapping or str)
        For each row its number or name, and its values by column, or what is wrong with it.
    folder : Path
        Where relative paths begin.
    kind : str
        What the numbers or names count, e.g. "line".
    """

    header: Sequence[str]
    rows: Iterable[Row]
    folder: Path
    kind: str = "row"
