"""The message on what is wrong with a corpus: its problems, and counts found / expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from camser.data.manifest import Utterance

Counts = Mapping[str, Mapping[str, int]]  # by group (a session, or the corpus) and label


def compare_counts(
    utterances: Sequence[Utterance], expected: Counts, labels: Sequence[str]
) -> tuple[str, bool]:
    """A table of found / expected by group and label, and whether they differ."""
    counts = Counter((u.session or u.corpus, u.emotion) for u in utterances)
    groups = sorted(set(expected) | {group for group, _ in counts})
    rows, differs = [["", *labels]], False
    for group in groups:
        cells = [group]
        for label in labels:
            known = expected.get(group, {}).get(label)
            count = counts[group, label]
            differs |= known is not None and known != count
            cells.append(str(count) if known is None else f"{count}/{known}")
        rows.append(cells)
    width = max(len(cell) for row in rows for cell in row) + 2
    return "\n".join("".join(f"{cell:>{width}}" for cell in row) for row in rows), differs


def describe_problems(data_folder: Path, problems: Sequence[str], table: str) -> str:
    """The message on a corpus with problems, or with other counts than are known."""
    shown = "".join(f"\n  {problem}" for problem in problems[:50])
    more = f"\n  … and {len(problems) - 50} more" if len(problems) > 50 else ""
    summary = f"{len(problems)} problems:{shown}{more}" if problems else "not the expected numbers"
    return f"{data_folder}: {summary}\nutterances found/expected:\n{table}"
