"""The problems of a table, counted by kind."""

from __future__ import annotations

from collections import Counter, defaultdict

from camser.data import problems
from camser.runtime.messages import escape_control_characters

MAX_OF_KIND = 20  # problems that are kept of each kind


class Problems:
    """What is wrong with a table: the number of problems of each kind, and the first ones.

    Attributes
    ----------
    counts : Counter
        By kind: "row" (it cannot be read), "missing file", "repeated" (the same recording as
        another row), "conflict" (with another label) or "class".
    first : dict of str to list of str
        The first ones of each kind.
    """

    def __init__(self) -> None:
        self.counts, self._all = Counter[str](), problems.Problems()
        self.first: dict[str, list[str]] = defaultdict(list)

    def add(self, problem: str, kind: str = "row") -> None:
        """Count a problem."""
        self.counts[kind] += 1
        problem = escape_control_characters(problem)  # of names of files
        self._all.add(problem)
        if len(self.first[kind]) < MAX_OF_KIND:
            self.first[kind].append(problem)

    def message(self, source: str) -> str:
        """The number of all, and below it the lines, see ``data.problems``."""
        return f"{source}: {self._all}"
