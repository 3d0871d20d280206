"""Rows of text in aligned columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def format_columns(
    rows: Sequence[Sequence[str]], indent: str = "", right: Collection[int] = ()
) -> list[str]:
    """One line per row, two spaces between columns.

    Arguments
    ---------
    rows : sequence of sequence of str
        All of one length.
    indent : str
        The prefix of each line.
    right : collection of int
        The columns to align on the right, those of numbers.

    Example
    -------
    >>> format_columns([["mean", "8"], ["flatten", "16"]], right=[1])
    ['mean      8', 'flatten  16']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
