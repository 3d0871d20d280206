"""The problems of a table, counted by kind."""

from __future__ import annotations

from collections import Counter, defaultdict

MAX_SHOWN = 30  # problems in a message
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
        self.counts, self._shown = Counter[str](), list[str]()
        self.first: dict[str, list[str]] = defaultdict(list)

    def add(self, problem: str, kind: str = "row") -> None:
        """Count a problem."""
        self.counts[kind] += 1
        if len(self._shown) < MAX_SHOWN:
            self._shown.append(problem)
        if len(self.first[kind]) < MAX_OF_KIND:
            self.first[kind].append(problem)

    def message(self, source: str) -> str:
        """The number of all, and the first, a line each."""
        total, shown = self.counts.total(), self._shown
        more = f"\n  … and {total - len(shown)} more" if total > len(shown) else ""
        return f"{source}: {total} problems:" + "".join(f"\n  {p}" for p in shown) + more
