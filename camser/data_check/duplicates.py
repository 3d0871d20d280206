"""Findings about recordings with the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from camser.data_check.finding import MAX_EXAMPLES, Finding, counted
from camser.data_check.recording import Recording, grouped

Group = list[Recording]
Value = Callable[[Recording], str]


def _emotion(recording: Recording) -> str:
    return recording.emotion


# By what they differ in, the worst first: a group is reported once.
KINDS: tuple[tuple[str, Value, str, str], ...] = (
    (
        "duplicates with two labels", _emotion, "with another label: one of them is wrong",
        "listen, keep one, and correct its label",
    ),
    (
        "duplicates in several parts", lambda r: r.utterance.split,
        "in another part: what is tested was trained on", "keep one of each",
    ),
    (
        "duplicates of two speakers", lambda r: r.speaker or "unknown",
        "of another speaker: one may be trained on and the other tested",
        "keep one, with the speaker who speaks",
    ),
)  # fmt: skip


def find(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """A finding for each kind of duplicates."""
    same = grouped([r for r in recordings if _has_sound(r)], _digest)
    groups = [rows for rows in same.values() if len(rows) > 1]
    for name, value, what, remedy in KINDS:
        differing = [rows for rows in groups if len({value(r) for r in rows}) > 1]
        groups = [rows for rows in groups if rows not in differing]
        if differing:
            yield _finding(name, "serious", differing, value, what, remedy)
    if groups:
        known = all(r.speaker for rows in groups for r in rows)
        what = "of the same label and speaker: they count twice"
        if not known:
            what = "with its label: they count twice, and may be in training and test"
        severity = "check" if known else "serious"
        yield _finding("duplicate recordings", severity, groups, _emotion, what, "keep one of each")


def _has_sound(recording: Recording) -> bool:
    return recording.measures is not None and recording.measures.peak > 0


def _digest(recording: Recording) -> str:
    return recording.measures.digest if recording.measures else ""


def _finding(
    name: str, severity: str, groups: Sequence[Group], value: Value,
    what: str, remedy: str,
) -> Finding:  # fmt: skip
    number = sum(map(len, groups))
    shown = [", ".join(f"{r.name} ({value(r)})" for r in rows) for rows in groups]
    more = f" and {counted(len(groups) - 1, 'other')}" if len(groups) > 1 else ""
    return Finding(
        name, severity,
        f"{number} recordings have the samples of another, {what}: {shown[0]}{more}.",
        remedy, {"recordings": number, "groups": len(groups)}, shown[:MAX_EXAMPLES],
    )  # fmt: skip
