"""Show how far a long step is: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from tqdm import tqdm

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10


def is_hidden() -> bool | None:
    """tqdm's ``disable``: None, a bar on a terminal alone; True where warnings are hidden too."""
    return None if logger.isEnabledFor(logging.WARNING) else True


def with_progress(items: Sequence[Item], name: str, unit: str) -> Iterable[Item]:
    """The items; while they are taken, stderr shows how many.

    Arguments
    ---------
    items : sequence
        What is worked on.
    name, unit : str
        What is done, and what is counted.

    Example
    -------
    >>> list(with_progress(["a.wav", "b.wav"], "checking", "file"))
    ['a.wav', 'b.wav']
    """
    lines: dict[str, Any] = {}
    if not sys.stderr.isatty():
        bar_format = "{desc}: {n_fmt} of {total_fmt}, {remaining} left\n"
        seconds = SECONDS_BETWEEN_LINES
        lines = {"bar_format": bar_format, "mininterval": seconds, "delay": seconds, "leave": False}
    return tqdm(items, desc=name, unit=unit, disable=bool(is_hidden()), **lines)
