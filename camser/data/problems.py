"""Problems of many files or lines as a few lines: those of one kind are counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

MAX_SEPARATE = 3  # problems of one kind that have a line each
MAX_LINES = 50


class Problems:
    """Problems of the form "place: reason", counted by their reason.

    Arguments
    ---------
    problems : iterable of str
        The first ones.

    Example
    -------
    >>> problems = Problems(f"{name}.wav: is empty" for name in "abcdef")
    >>> problems.add("g.wav: is damaged")
    >>> problems.lines()
    ['a.wav and 5 more: is empty', 'g.wav: is damaged']
    """

    def __init__(self, problems: Iterable[str] = ()) -> None:
        self._counts: Counter[str] = Counter()
        self._places: dict[str, list[str]] = defaultdict(list)  # the first ones
        for problem in problems:
            self.add(problem)

    def __len__(self) -> int:
        return self._counts.total()

    def add(self, problem: str) -> None:
        """Count a problem."""
        place, colon, reason = problem.partition(": ")
        kind = colon + reason
        self._counts[kind] += 1
        if self._counts[kind] <= MAX_SEPARATE and len(self._counts) <= MAX_LINES:
            self._places[kind].append(place)

    def lines(self) -> list[str]:
        """A line for each problem or, where a kind has many, for the kind."""
        lines = []
        for kind, places in self._places.items():
            more = self._counts[kind] - 1
            shown = places if more < MAX_SEPARATE else [f"{places[0]} and {more} more"]
            lines += [place + kind for place in shown]
        rest = len(self._counts) - len(self._places)
        return lines + ([f"… and problems of {rest} more kinds"] if rest else [])

    def __str__(self) -> str:
        """How many there are, and below it the lines."""
        number = f"{len(self)} problem{'s' if len(self) > 1 else ''}:"
        return "\n  ".join([number, *self.lines()])
