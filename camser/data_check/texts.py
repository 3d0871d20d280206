"""Findings about texts that are spoken in training and test."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from camser.data.protocols import unit_of
from camser.data_check.finding import MAX_EXAMPLES, Finding, counted, of_all
from camser.data_check.recording import Recording, grouped

REMEDY = (
    "test on texts that were not trained on, or say so beside the score: `camser report` gives the "
    "scores of both kinds"
)


def plain(text: str) -> str:
    """A text without case, punctuation and double spaces.

    Example
    -------
    >>> plain("Dogs  are sitting,  by the door!")
    'dogs are sitting by the door'
    """
    return " ".join(re.sub(r"[^\w\s]", " ", text.casefold()).split())


def find(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Texts of the test part that the training has; without such parts, texts of two speakers."""
    known = [r for r in recordings if plain(r.utterance.text)]
    splits = {r.utterance.split for r in recordings}
    if {"train", "test"} <= splits:
        trained = {plain(r.utterance.text) for r in known if r.utterance.split == "train"}
        tested = [r for r in known if r.utterance.split == "test"]
        shared = [r for r in tested if plain(r.utterance.text) in trained]
        severity, place, of = "check", "The training", " of the test part"
    else:
        units = grouped(known, lambda r: plain(r.utterance.text))
        several = {text for text, rows in units.items() if len({_part(r) for r in rows}) > 1}
        tested, shared = known, [r for r in known if plain(r.utterance.text) in several]
        of = ""
        severity, place = ("note", "Another speaker") if "" in splits else ("check", "Another part")
    if shared:
        texts = Counter(plain(r.utterance.text) for r in shared)
        yield Finding(
            "texts of training and test", severity,
            f"{place} has the text of {of_all(len(shared), len(tested))}{of} too "
            f"({counted(len(texts), 'text')}): a score says little of new texts.",
            REMEDY, {"recordings": len(shared), "texts": len(texts)},
            [f"{number} times: {text}" for text, number in texts.most_common(MAX_EXAMPLES)],
        )  # fmt: skip


def _part(recording: Recording) -> str:
    return recording.utterance.split or unit_of(recording.utterance)
