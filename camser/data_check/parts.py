"""Findings about the parts that the column split divides recordings into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from camser.data.protocols import SPLITS
from camser.data_check.finding import Finding, listed, of_all
from camser.data_check.recording import Recording, grouped


def find(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Recordings of no part, and classes that are tested and not trained, or the other way."""
    parts = grouped(recordings, lambda r: r.utterance.split)
    unknown = parts.pop("", [])
    if not parts:
        return
    if unknown:
        yield Finding(
            "recordings of no part", "serious",
            f"The column split is empty for {of_all(len(unknown), len(recordings))}: it cannot be "
            f"used as it is, and a score on another division is not comparable.",
            'fill it, or do without it: --columns "{split: null}"',
            {"recordings": len(unknown)}, [r.name for r in unknown[:20]],
        )  # fmt: skip
    classes = {r.emotion for r in recordings}
    trained_and_tested = [name for name in ("train", "test") if name in parts]
    named = trained_and_tested if {*parts} & {*SPLITS} else [*parts]
    for name in named:
        if missing := sorted(classes - {r.emotion for r in parts[name]}):
            yield Finding(
                "class missing in a part", "check" if name not in SPLITS else "serious",
                f"The part {name} has no {listed(missing)}: its UA is over "
                f"{len(classes) - len(missing)} of {len(classes)} classes.",
                "divide so that each part has each class",
                {"classes": len(missing)}, missing,
            )  # fmt: skip
