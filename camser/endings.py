"""How a program ends before its end: one line that says what to do, and a status."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from camser.interrupts import INTERRUPTS, status
from camser.shortages import NO_ROOM, explained, is_of_worker


def printable(text: str) -> str:
    """A text as a terminal may show it: what would move its cursor is spelt out.

    Example
    -------
    >>> printable("a\\x1b[2Jä.wav")
    'a\\\\x1b[2Jä.wav'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _shown(message: object) -> str:
    """A message, each line of it printable: some repeat what strangers' files say."""
    return "\n".join(map(printable, str(message).split("\n")))


@contextmanager
def told_as_a_line(
    *mistakes: type[Exception], folder: str | Path = ".", before: str = "error"
) -> Iterator[None]:
    """End with ``error: …`` and status 1 for what a user, or the machine, did wrong.

    Arguments
    ---------
    *mistakes : types of exceptions
        Whose messages are for users. Beside them the machine's shortages are explained.
    folder : str or Path
        The run's.
    before : str
        What the line begins with.

    Raises
    ------
    SystemExit
        Anything else is a mistake of ours, and passes with its traceback.
    """
    try:
        yield
    except mistakes as error:
        sys.exit(f"{before}: {_shown(error)}")
    except Exception as error:
        if INTERRUPTS.asked and is_of_worker(error):
            sys.exit(status(INTERRUPTS.asked))  # all of a job's processes are told to end
        told = explained(error, folder)
        if told is None:
            raise
        sys.exit(f"{before}: {_shown(told)}")


@contextmanager
def printing() -> Iterator[None]:
    """While a command prints: whoever reads may leave, its disk may be full, Ctrl-C may come.

    Raises
    ------
    SystemExit
        With 141 or 130, as a shell tells of SIGPIPE and SIGINT, or with one line.
    """
    try:
        yield
        sys.stdout.flush()  # at the interpreter's end it would be too late to tell
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.filename is not None or error.errno not in {errno.EPIPE, *NO_ROOM}:
            raise
        # What could not be printed is not to be tried again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            sys.exit(141)
        sys.exit(f"camser: standard output could not be written ({error.strerror})")
