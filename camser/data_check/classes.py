"""Findings about the classes: too few recordings, one far more frequent, names nearly the same."""

from __future__ import annotations

import difflib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from camser.data_check.finding import Finding, listed, of_all
from camser.data_check.recording import Recording
from camser.data_check.source import Source

FEW, VERY_FEW = 30, 10  # recordings of a class
UNBALANCED = 3  # times as many of the largest class as of the smallest
SIMILAR = 0.8  # of two names, by difflib; below are names such as happy and sad
RARE = 0.2  # of the other's recordings: a slip is rare


def find(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Classes with few recordings, and unbalanced ones."""
    counts = Counter(r.emotion for r in recordings)
    yield from _single(counts)
    yield from _few(counts)
    yield from _unbalanced(counts)


def misspelt(recordings: Sequence[Recording], left_out: Mapping[str, int]) -> list[tuple[str, str]]:
    """Pairs of labels that nearly have the same name, the rare one first.

    Arguments
    ---------
    recordings : sequence of Recording
        Those of the classes.
    left_out : mapping of str to int
        The numbers of recordings of other emotions.
    """
    counts, pairs = {**left_out, **Counter(r.emotion for r in recordings)}, []
    for one, other in itertools.combinations(sorted(counts), 2):
        rare, frequent = sorted((one, other), key=counts.__getitem__)
        slip, name = (" ".join(label.casefold().split()) for label in (rare, frequent))
        is_near = difflib.SequenceMatcher(None, slip, name).ratio() >= SIMILAR
        if slip == name or (is_near and counts[rare] <= RARE * counts[frequent]):
            pairs.append((rare, frequent))
    return pairs


def find_misspelt(pairs: Sequence[tuple[str, str]], source: Source) -> Iterator[Finding]:
    """A finding on pairs of ``misspelt``."""
    if pairs:
        counts = {**source.left_out, **Counter(u.emotion for u in source.utterances)}
        names = [f"{rare!r} ({counts[rare]}) and {name!r} ({counts[name]})" for rare, name in pairs]
        merged = ", ".join(f"{rare}: {name}" for rare, name in pairs)
        yield Finding(
            "nearly the same label", "serious", f"Labels nearly have one name: {listed(names)}.",
            f'if they mean the same, correct the labels, or give --merge "{{{merged}}}"',
            {"pairs": len(pairs)}, names,
        )  # fmt: skip


def _single(counts: Mapping[str, int]) -> Iterator[Finding]:
    if len(counts) == 1:
        (name,) = counts
        yield Finding(
            "one class", "serious",
            f"All recordings are {name}: nothing can be recognized.",
            "add recordings of other classes; --columns names another column of labels",
            {"classes": 1},
        )  # fmt: skip


def _few(counts: Mapping[str, int]) -> Iterator[Finding]:
    few = {name: number for name, number in sorted(counts.items()) if number < FEW}
    if few:
        least = min(few, key=few.__getitem__)
        names = [f"{name} ({number})" for name, number in few.items()]
        yield Finding(
            "few recordings of a class", "serious" if few[least] < VERY_FEW else "check",
            f"There are fewer than {FEW} recordings of {listed(names)}. One more of {least} "
            f"recognized moves UA by {100 / few[least] / len(counts):.1f} points.",
            "record more, merge classes (--merge), or leave the class out (--labels)",
            {"classes": len(few), "least": few[least]}, names,
        )  # fmt: skip


def _unbalanced(counts: Mapping[str, int]) -> Iterator[Finding]:
    if len(counts) < 2:
        return
    (most, number), least = Counter(counts).most_common(1)[0], min(counts.values())
    if number >= UNBALANCED * least:
        total = sum(counts.values())
        yield Finding(
            "unbalanced classes", "check",
            f"{most} has {of_all(number, total)}, {number / least:.1f} times as many as the "
            f"smallest class: always guessing {most} gives WA {number / total:.3f}, and UA "
            f"{1 / len(counts):.3f}.",
            "read UA, not WA; train with --set class_weights=balanced",
            {"ratio": number / least, "guessing_WA": number / total},
        )  # fmt: skip
