"""Findings about speakers: unknown, few, of one class, or in more than one part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from camser.data_check.finding import MAX_EXAMPLES, Finding, counted, listed, of_all
from camser.data_check.recording import Recording, grouped
from camser.evaluation.bootstrap import MIN_SPEAKERS

MIN_OF_CLASS = 3  # speakers: one to train on, one to validate, one to test


def find(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """All findings about speakers."""
    unknown = sum(not r.speaker for r in recordings)
    if unknown:
        yield Finding(
            "unknown speakers", "serious",
            f"The speaker of {of_all(unknown, len(recordings))} is unknown: voices of the test may "
            f"be voices of the training, and a score may be far too high for new speakers.",
            "add a column speaker, or name yours: --columns \"{speaker: …}\"",
            {"recordings": unknown},
        )  # fmt: skip
    known = [r for r in recordings if r.speaker]
    speakers = grouped(known, lambda r: r.utterance.speaker)
    if known and len(speakers) < MIN_SPEAKERS:
        yield Finding(
            "few speakers", "serious" if len(speakers) < MIN_OF_CLASS else "check",
            f"There {'is' if len(speakers) == 1 else 'are'} {counted(len(speakers), 'speaker')}: "
            f"a score says little of others, and has no confidence interval below {MIN_SPEAKERS}.",
            "record more speakers, rather than more of the same",
            {"speakers": len(speakers)}, [*map(_name, speakers)],
        )  # fmt: skip
    if not unknown and len(speakers) >= MIN_OF_CLASS:
        yield from _of_few_speakers(recordings)
    yield from _spelt_alike(known)
    yield from _in_several_parts(known)


def _of_few_speakers(recordings: Sequence[Recording]) -> Iterator[Finding]:
    classes = grouped(recordings, lambda r: r.emotion)
    few = {
        name: len(of_class)
        for name, rows in sorted(classes.items())
        if len(of_class := {r.speaker for r in rows}) < MIN_OF_CLASS
    }
    if few:
        names = [f"{name} ({counted(number, 'speaker')})" for name, number in few.items()]
        yield Finding(
            "class of few speakers", "serious",
            f"There are fewer than {MIN_OF_CLASS} speakers of {listed(names)}. A fold that tests "
            f"the class has trained on one other speaker of it, or none: the model may know the "
            f"voice instead of the emotion.",
            "record the class with other speakers, or leave it out (--labels)",
            {"classes": len(few)}, names,
        )  # fmt: skip


def _spelt_alike(known: Sequence[Recording]) -> Iterator[Finding]:
    counts = Counter(r.utterance.speaker for r in known)
    plain = grouped(known, lambda r: "".join(r.utterance.speaker.casefold().split()))
    names = [sorted({r.utterance.speaker for r in rows}) for rows in plain.values()]
    alike = [spellings for spellings in names if len(spellings) > 1]
    if alike:
        shown = [
            " and ".join(f"{_name(name)!r} ({counts[name]})" for name in spellings)
            for spellings in alike
        ]
        yield Finding(
            "nearly the same speaker", "serious",
            f"{counted(len(alike), 'speaker')} spelt in more than one way: {listed(shown)}. "
            f"Of two names, one may be trained on and the other tested.",
            "spell each speaker in one way", {"speakers": len(alike)}, shown[:MAX_EXAMPLES],
        )  # fmt: skip


def _in_several_parts(known: Sequence[Recording]) -> Iterator[Finding]:
    parts = grouped([r for r in known if r.utterance.split], lambda r: r.utterance.speaker)
    divided = {
        name: sorted({r.utterance.split for r in rows})
        for name, rows in sorted(parts.items())
        if len({r.utterance.split for r in rows}) > 1
    }
    if divided:
        number = sum(len(parts[name]) for name in divided)
        yield Finding(
            "speakers in several parts", "serious",
            f"More than one part of the column split has recordings of "
            f"{of_all(len(divided), len(parts), 'speaker')}, {of_all(number, len(known))}: "
            f"the test is of voices that were trained on, and a score is too high for new ones.",
            "divide by speaker (--protocol speaker_k_fold), or say so beside the score",
            {"speakers": len(divided), "recordings": number},
            [f"{_name(name)}: {', '.join(of)}" for name, of in divided.items()][:MAX_EXAMPLES],
        )  # fmt: skip


def _name(speaker: str) -> str:
    return speaker.partition("/")[2]
