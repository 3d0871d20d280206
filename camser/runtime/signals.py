"""Handle SIGINT and SIGTERM: end at once; training first saves its next complete state."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

HANDLED = (signal.SIGINT, signal.SIGTERM)
SAME_WITHIN = 1.0  # seconds; a terminal, a launcher and a scheduler may send the same signal


class SignalState:
    """The signals that this process received.

    The first one ends the process with status 128 + its number, as a shell reports it. While
    ``defer`` is active, it is only stored. A second one, after ``SAME_WITHIN``, kills the process.

    Attributes
    ----------
    received : int
        The first signal's number; 0 if none was received.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Reset, as if no signal had been received."""
        self.received, self._at, self._deferring = 0, 0.0, False

    def install(self) -> None:
        """Install the handlers. Ignored signals, e.g. in a shell's background, stay ignored."""
        self.forget()
        _set_handlers(self._receive)

    def uninstall(self) -> None:
        """From now on, a signal ends the process at once, by the system's default.

        While C++ code waits for other processes, Python would see the signal only afterwards.
        """
        _set_handlers(signal.SIG_DFL)

    @contextmanager
    def defer(self) -> Iterator[None]:
        """In this context, a signal is only stored; the running code checks ``received``."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received and now - self._at < SAME_WITHIN:
            return
        if self.received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received, self._at = number, now
        if not self._deferring:
            sys.exit(exit_status(number))
        message = "stopping after the next checkpoint; send it again, after a second, to stop now"
        with suppress(OSError):  # the same signal may have ended the reader
            # The signal may have interrupted a print.
            os.write(2, f"\n{signal.Signals(number).name}: {message}\n".encode())


SIGNALS = SignalState()  # signals are a process's


def _set_handlers(handler: Any) -> None:
    if not _is_main_thread():
        return  # only that one may; a program that runs camser in another has its own handlers
    for number in HANDLED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def exit_status(number: int) -> int:
    """The exit status of a process that ends for a signal.

    Example
    -------
    >>> exit_status(signal.SIGINT), exit_status(signal.SIGTERM)
    (130, 143)
    """
    return 128 + number


def leave_messages_to_main_process(worker: int) -> None:
    """The ``worker_init_fn`` of a loader: a worker ignores Ctrl-C, and prints no errors itself.

    A terminal sends Ctrl-C to all its processes. A worker's errors are raised in the main process;
    if that is gone, a thread of the worker would print that the connection is broken.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = lambda *error: None


def remove_worker_watch() -> None:
    """Remove PyTorch's handler of SIGCHLD, which raises at any line when a worker has died.

    Without it, a loader raises where it waits for a batch of that worker, after seconds.
    """
    from torch.utils.data._utils import signal_handling

    signal_handling._SIGCHLD_handler_set = True  # so it is not installed again
    if not hasattr(signal, "SIGCHLD") or not _is_main_thread():
        return
    if getattr(signal.getsignal(signal.SIGCHLD), "__module__", "") == signal_handling.__name__:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
