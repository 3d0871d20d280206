"""What preparation reports: a table of counts, and recordings that look wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from camser.data.manifest import Utterance
from camser.data.pack import Contents

Counts = Mapping[str, Mapping[str, int]]  # by group (a session, or the corpus) and label
MAX_OF_KIND = 10  # recordings shown for each kind of finding


def count_by_group(utterances: Sequence[Utterance], expected: Counts) -> Counter[tuple[str, str]]:
    """The number of each group and emotion.

    A group is a session or, where the corpus is among the expected groups, the corpus.
    """
    return Counter(
        (u.corpus if u.corpus in expected else u.session or u.corpus, u.emotion) for u in utterances
    )


def compare_counts(
    utterances: Sequence[Utterance], expected: Counts, labels: Sequence[str]
) -> tuple[str, bool]:
    """A table of found / expected by group and label, and whether they differ."""
    counts = count_by_group(utterances, expected)
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


def describe_findings(utterances: Sequence[Utterance], contents: Mapping[str, Contents]) -> str:
    """The recordings that look wrong, a line each; empty if there are none.

    Arguments
    ---------
    utterances : sequence of Utterance
        Of a corpus.
    contents : mapping of str to Contents
        What is known of the samples of each, by its id.

    Example
    -------
    >>> row = Utterance("c/a", "c", "a.wav", 0.5, "c/1", "male")
    >>> print(describe_findings([row], {"c/a": Contents("", [("silent", "is silent")])}))
    recordings that look wrong, and are used (silent 1):
      a.wav: is silent
    """
    lines, first = defaultdict(list), dict[str, Utterance]()
    for u in utterances:
        digest, findings = contents[u.id]
        for kind, message in findings:
            lines[kind].append(f"{u.path}: {message}")
        original = first.setdefault(digest, u)
        if original is not u:
            label = f", labeled {original.emotion}" if original.emotion != u.emotion else ""
            lines["duplicate"].append(f"{u.path}: has the samples of {original.path}{label}")
    if not lines:
        return ""
    counts = ", ".join(f"{kind} {len(of_kind)}" for kind, of_kind in lines.items())
    text = [f"recordings that look wrong, and are used ({counts}):"]
    for kind, of_kind in lines.items():
        text += of_kind[:MAX_OF_KIND]
        if (rest := len(of_kind) - MAX_OF_KIND) > 0:
            text.append(f"… and {rest} more: {kind}")
    return "\n  ".join(text)
