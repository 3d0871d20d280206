"""What the command says beside its results, on standard error: ``--quiet`` and ``--verbose``."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from camser.runtime.exit import printable


def add_message_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--quiet`` and ``--verbose``, which set ``level``; there is no level by default."""
    options = parser.add_mutually_exclusive_group()
    levels = {
        "quiet": (logging.ERROR, "print results and errors alone: no warnings, no progress"),
        "verbose": (logging.INFO, "also print what is done"),
    }
    for name, (level, text) in levels.items():
        options.add_argument(
            f"-{name[0]}", f"--{name}",
            action="store_const", const=level, dest="level", default=argparse.SUPPRESS, help=text,
        )  # fmt: skip


@contextmanager
def messages_at(level: int) -> Iterator[None]:
    """Print the messages of camser on standard error, from a level of ``logging`` on.

    Above WARNING, the warnings of other packages and the progress are not printed either.
    """
    logger, handler = logging.getLogger("camser"), _Handler()
    former, disabled = logger.level, logging.root.manager.disable
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False  # SpeechBrain's own handler, where there is one, prints on stdout
    with warnings.catch_warnings():
        if level > logging.WARNING:
            logging.disable(logging.WARNING)
            warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(disabled)
            logger.propagate = True
            logger.setLevel(former)
            logger.removeHandler(handler)


class _Handler(logging.Handler):
    """Prints a record as a line of the command, above a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        kind = "warning: " if record.levelno == logging.WARNING else ""
        tqdm.write(f"camser: {kind}{printable(record.getMessage())}", file=sys.stderr)
