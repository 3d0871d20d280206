"""What a finding is, and the words that all findings share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

SEVERITIES = ("serious", "check", "note")
MAX_EXAMPLES = 20
MAX_LISTED = 5  # names in a sentence


class Finding(NamedTuple):
    """One thing that a reader of a score should know.

    Arguments
    ---------
    name : str
        What was found, in few words.
    severity : str
        "serious": scores are wrong or mean something else; "check": listen or look, then decide;
        "note": it limits what a score means.
    sentence : str
        The finding with its numbers.
    remedy : str
        What to do about it.
    numbers : mapping of str to number
        The same numbers for other programs.
    examples : sequence of str
        Recordings or names, a line each; at most ``MAX_EXAMPLES``.
    """

    name: str
    severity: str
    sentence: str
    remedy: str
    numbers: Mapping[str, float] = {}
    examples: Sequence[str] = ()


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """The serious ones first."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    Example
    -------
    >>> counted(1, "recording"), counted(1200, "class")
    ('1 recording', '1 200 classes')
    """
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}".replace(",", " ")


def of_all(number: int, total: int, noun: str = "recording") -> str:
    """A number of a total, and its share.

    Example
    -------
    >>> of_all(3, 60)
    '3 of 60 recordings (5.0 %)'
    """
    return f"{number} of {counted(total, noun)} ({percent(number / max(1, total), 1)})"


def percent(share: float, digits: int = 0) -> str:
    """A share of 1.

    Example
    -------
    >>> percent(0.251), percent(0.251, 1)
    ('25 %', '25.1 %')
    """
    return f"{100 * share:.{digits}f} %"


def listed(names: Collection[object]) -> str:
    """The first names, and how many more there are.

    Example
    -------
    >>> listed("abcdefg")
    'a, b, c, d, e and 2 more'
    """
    shown = [str(name) for name in names][:MAX_LISTED]
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(shown) + more
