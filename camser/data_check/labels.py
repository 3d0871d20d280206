"""Findings about the rows of a table, or the files of a corpus, that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from camser.data_check.finding import Finding, counted
from camser.data_check.source import Source


class _Kind(NamedTuple):
    name: str
    severity: str
    noun: str
    phrase: str
    remedy: str


KINDS = {
    "missing file": _Kind(
        "missing files", "serious", "row", "left out, because the file cannot be read",
        "copy the files, or correct the paths, which begin in the table's folder",
    ),
    "conflict": _Kind(
        "conflicting labels", "serious", "row",
        "with another label than an earlier row of the same recording",
        "decide on one label a recording; here the last row counts",
    ),
    "repeated": _Kind(
        "repeated rows", "check", "row", "of a recording that an earlier row has, with its label",
        "remove the rows; where they differ in another column, here the last one counts",
    ),
    "row": _Kind(
        "invalid rows", "serious", "problem", "of rows, which are left out", "correct the rows"
    ),
    "corpus": _Kind(
        "incomplete corpus", "serious", "problem", "of the corpus folder",
        "unpack the corpus again, complete",
    ),
    "count": _Kind(
        "unexpected numbers", "serious", "number", "of recordings that differ from the published",
        "unpack the corpus again, complete: a score on a part of it is not comparable",
    ),
}  # fmt: skip


def find(source: Source) -> Iterator[Finding]:
    """A finding for each kind of problem; of small classes, ``classes`` has its own."""
    for problem, number in source.problems.items():
        if problem not in KINDS:
            continue
        name, severity, noun, phrase, remedy = KINDS[problem]
        examples = source.examples[problem]
        sentence = f"{counted(number, noun)} {phrase}: {examples[0]}"
        sentence += f" and {number - 1} more." if number > 1 else "."
        yield Finding(name, severity, sentence, remedy, {"problems": number}, examples)
