"""Select the utterances to use, and report the others and labels that may be typing errors."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from camser.data.manifest import STYLES, Utterance

logger = logging.getLogger(__name__)


def select_utterances(
    utterances: Sequence[Utterance],
    labels: Collection[str],
    merge_labels: Mapping[str, str],
    styles: Sequence[str] | None,
) -> tuple[list[Utterance], Counter[str]]:
    """The utterances to use, relabeled, and the numbers of the others by emotion, or by style.

    Arguments
    ---------
    utterances : sequence of Utterance
        Of a corpus.
    labels, merge_labels, styles
        As for ``prepare``.

    Raises
    ------
    ValueError
        If there is no such style.
    """
    if unknown := [style for style in styles or () if style not in STYLES]:
        raise ValueError(f"styles has {unknown[0]!r}; allowed: {', '.join(STYLES)}, or null")
    merged = [replace(u, emotion=merge_labels.get(u.emotion, u.emotion)) for u in utterances]
    of_style = [u for u in merged if styles is None or u.style in styles]
    others = Counter(u.emotion for u in of_style if u.emotion not in labels)
    if styles is not None:
        spoken = [u.style or "unknown" for u in merged if u.style not in styles]
        others.update(f"{style} speech" for style in spoken)
    return [u for u in of_style if u.emotion in labels], others


def describe_left_out(left_out: Mapping[str, int], labels: Sequence[str]) -> tuple[str, bool]:
    """The numbers of utterances of no class, on one line, and whether to warn about them.

    Warn if a label is nearly the name of a class: it may be a typing error. Without such
    utterances, the line is empty.

    Example
    -------
    >>> describe_left_out({"Down": 2, "bored": 1}, ["up", "down"])
    ("left out: Down 2, bored 1; 'Down' is nearly 'down', a typing error?", True)
    """
    classes = {label.strip().casefold(): label for label in labels}
    near = {
        name: difflib.get_close_matches(name.strip().casefold(), classes, n=1, cutoff=0.7)
        for name in left_out
    }
    ordered = sorted(left_out.items(), key=lambda item: -item[1])
    hints = [f"{name!r} is nearly {classes[c[0]]!r}" for name, c in near.items() if c]
    counts = ", ".join(f"{name} {number}" for name, number in ordered)
    text = f"left out: {counts}" if counts else ""
    return text + (f"; {', '.join(hints)}, a typing error?" if hints else ""), bool(hints)


def log_left_out(left_out: Mapping[str, int], labels: Sequence[str]) -> None:
    """Log the line of ``describe_left_out``."""
    text, is_warning = describe_left_out(left_out, labels)
    if text:
        logger.log(logging.WARNING if is_warning else logging.INFO, "%s", text)
