"""How a program ends before its end: one line that says what to do, and a status."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from camser.runtime.resource_errors import NO_ROOM, explain, is_shutdown_error
from camser.runtime.signals import SIGNALS, exit_status


def escape_control_characters(text: str) -> str:
    """A text as a terminal may show it: what would move its cursor is spelt out.

    Example
    -------
    >>> escape_control_characters("a\\x1b[2Jä.wav")
    'a\\\\x1b[2Jä.wav'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _shown(message: object) -> str:
    """A message, each line of it printable: some repeat what strangers' files say."""
    return "\n".join(map(escape_control_characters, str(message).split("\n")))


@contextmanager
def exit_with_message(
    *mistakes: type[Exception],
    folder: str | Path = ".",
    before: str = "error",
    note: Callable[[], str] | None = None,
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
    note : callable, optional
        Gives a line to stand beneath the traceback of all else.

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
        if SIGNALS.received and is_shutdown_error(error):
            sys.exit(exit_status(SIGNALS.received))  # all of a job's processes are told to end
        told = explain(error, folder)
        if told is None:
            if note is not None:
                _add_note(error, note())
            raise
        sys.exit(f"{before}: {_shown(told)}")


def _add_note(error: Exception, line: str) -> None:
    if hasattr(error, "add_note"):
        error.add_note(line)
    else:  # Python 3.10: above the traceback, not beneath it
        print(line, file=sys.stderr)


def tolerate_broken_pipe() -> None:
    """From now on work goes on where whoever reads what it prints has left.

    Ctrl-C ends all that a terminal runs, ``tee`` too: what is said after that is said to nobody,
    and must not be an error in the middle of a step.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream is not getattr(sys, f"__{name}__"):
            continue  # whoever put another one there knows why
        raw = io.BufferedWriter(_BrokenPipeTolerantFile(stream.fileno(), "wb", closefd=False))
        how = {"errors": stream.errors, "line_buffering": stream.line_buffering}
        setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, **how))


class _BrokenPipeTolerantFile(io.FileIO):
    """A file that takes what is written to it though nobody reads it."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            _redirect_to_devnull(self.fileno())
            return super().write(data)


def _redirect_to_devnull(descriptor: int) -> None:
    """What is written from now on is not kept."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


@contextmanager
def handle_output_errors() -> Iterator[None]:
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
        _redirect_to_devnull(sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            sys.exit(141)
        sys.exit(f"camser: standard output could not be written ({error.strerror})")
