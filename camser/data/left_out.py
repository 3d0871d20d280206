"""Report the utterances whose label is no class, and labels that may be typing errors."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping, Sequence

logger = logging.getLogger(__name__)


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
