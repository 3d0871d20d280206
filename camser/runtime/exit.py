"""End a program early, with one line that explains what to do, and an exit status."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from camser.runtime.messages import escape_control_characters
from camser.runtime.resource_errors import NO_ROOM, PIPE_ERRORS, explain
from camser.runtime.signals import SIGNALS, exit_status

# Of a run, true after any error; it names no cause.
STOP_NOTE = "The run stopped here. After you fix the problem, the same command resumes the run"


def printable(message: object) -> str:
    """A message with printable lines: some messages quote untrusted files."""
    return "\n".join(map(escape_control_characters, str(message).split("\n")))


@contextmanager
def exit_with_message(
    *mistakes: type[Exception],
    folder: str | Path = ".",
    before: str = "error",
    note: str | None = None,
) -> Iterator[None]:
    """End with ``error: …`` and status 1 for errors of the user or of the machine.

    Arguments
    ---------
    *mistakes : types of exceptions
        Types whose messages are for users. Errors of the machine are explained too.
    folder : str or Path
        The run's folder.
    before : str
        The beginning of the line.
    note : str, optional
        A line to show below the traceback of any other error.

    Raises
    ------
    SystemExit
        Any other error is a bug in camser, and is raised with its traceback.
    """
    try:
        yield
    except mistakes as error:
        sys.exit(f"{before}: {printable(error)}")
    except Exception as error:
        if SIGNALS.received and isinstance(error, (RuntimeError, *PIPE_ERRORS)):
            # All processes of a job get the signal: workers, and others of a distributed run.
            sys.exit(exit_status(SIGNALS.received))
        explanation = explain(error, folder)
        if explanation is None:
            if note and hasattr(error, "add_note"):
                error.add_note(note)
            elif note:
                print(note, file=sys.stderr)  # Python 3.10: above the traceback
            raise
        sys.exit(f"{before}: {printable(explanation)}")


def escape_unencodable() -> None:
    """Print characters that the output's encoding lacks as escapes, e.g. ``\\xe4``.

    No result is lost where the output is not UTF-8, or a file's name is no valid text.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def tolerate_broken_pipe() -> None:
    """From now on, continue work when the reader of the output has ended.

    Ctrl-C ends all programs of a terminal, ``tee`` too. Nobody reads the output after that, and
    printing it must not raise an error in the middle of a step. Nor must a character that the
    output's encoding lacks, see ``escape_unencodable``.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream is not getattr(sys, f"__{name}__"):
            continue  # another stream was set on purpose
        raw = io.BufferedWriter(_BrokenPipeTolerantFile(stream.fileno(), "wb", closefd=False))
        options = {"errors": "backslashreplace", "line_buffering": stream.line_buffering}
        setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, **options))


class _BrokenPipeTolerantFile(io.FileIO):
    """A file that accepts data even if nobody reads it."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            _redirect_to_devnull(self.fileno())
            return super().write(data)


def _redirect_to_devnull(descriptor: int) -> None:
    """Discard everything that is written from now on."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, descriptor)
    os.close(devnull)


@contextmanager
def handle_output_errors() -> Iterator[None]:
    """While a command prints, handle a reader that ended, a full disk, and Ctrl-C.

    Raises
    ------
    SystemExit
        With 141 or 130, as a shell reports SIGPIPE and SIGINT, or with one line.
    """
    try:
        yield
        sys.stdout.flush()  # at the interpreter's end it would be too late to report errors
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.filename is not None or error.errno not in {errno.EPIPE, *NO_ROOM}:
            raise
        # The interpreter must not try again to print it.
        _redirect_to_devnull(sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            sys.exit(141)
        sys.exit(f"camser: standard output could not be written ({error.strerror})")
