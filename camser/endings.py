"""How a run ends before its end: one line that says what to do, and a status."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from camser.shortages import explained


@contextmanager
def told_as_a_line(*mistakes: type[Exception], folder: str | Path = ".") -> Iterator[None]:
    """End with ``error: …`` and status 1 for what a user, or the machine, did wrong.

    Arguments
    ---------
    *mistakes : types of exceptions
        Whose messages are for users. Beside them the machine's shortages are explained.
    folder : str or Path
        The run's.

    Raises
    ------
    SystemExit
        Anything else is a mistake of ours, and passes with its traceback.
    """
    try:
        yield
    except mistakes as error:
        sys.exit(f"error: {error}")
    except (MemoryError, OSError, RuntimeError) as error:
        told = explained(error, folder)
        if told is None:
            raise
        sys.exit(f"error: {told}")
