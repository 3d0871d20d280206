"""Handle SIGINT and SIGTERM: end at once; training first saves its next complete state."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from camser.runtime.resource_errors import is_raised_by_worker_watch

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
        if threading.current_thread() is not threading.main_thread():
            return  # only that one may; a program that runs camser in another has its own handlers
        self.forget()
        for number in HANDLED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)
        if sys.unraisablehook != self._resend_lost_signal:
            self._told, sys.unraisablehook = sys.unraisablehook, self._resend_lost_signal

    @contextmanager
    def defer(self) -> Iterator[None]:
        """In this context, a signal is only stored; the running code checks ``received``."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    @contextmanager
    def default_handlers(self) -> Iterator[None]:
        """In this context, a signal ends the process at once, by the system's default.

        While C++ code waits for other processes, Python would see the signal only afterwards.
        """
        replaced = [number for number in HANDLED if signal.getsignal(number) == self._receive]
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)
        try:
            yield
        finally:
            for number in replaced:
                signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received and now - self._at < SAME_WITHIN:
            return
        if self.received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received, self._at = number, now
        ignore_child_exits()  # a loader's workers may have received it too
        if not self._deferring:
            sys.exit(exit_status(number))
        message = "stopping after the next checkpoint; send it again, after a second, to stop now"
        with contextlib.suppress(OSError):  # the same signal may have ended the reader
            # The signal may have interrupted a print.
            os.write(2, f"\n{signal.Signals(number).name}: {message}\n".encode())

    def _resend_lost_signal(self, ignored: Any) -> None:
        """Send a signal again if Python ignored its exception, as it does around a fork.

        A lost worker is not reported here: the code that waits for its batch detects it.
        """
        if self.received and isinstance(ignored.exc_value, SystemExit):
            number, self.received = self.received, 0
            threading.Timer(0.01, os.kill, (os.getpid(), number)).start()
        elif not is_raised_by_worker_watch(ignored.exc_value):
            self._told(ignored)


SIGNALS = SignalState()  # signals are a process's


def exit_status(number: int) -> int:
    """The exit status of a process that ends for a signal.

    Example
    -------
    >>> exit_status(signal.SIGINT), exit_status(signal.SIGTERM)
    (130, 143)
    """
    return 128 + number


def ignore_child_exits() -> None:
    """From now on, ignore children that end: PyTorch's handler could raise at any line."""
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, lambda *args: None)


def ignore_sigint_in_worker(worker: int) -> None:
    """The ``worker_init_fn`` of a loader: only the main process handles Ctrl-C and reports it.

    A terminal sends Ctrl-C to all its processes, so a worker ignores it. If the main process is
    gone, a worker does not report the broken connection to it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    previous_hook = sys.excepthook

    def report(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not issubclass(kind, (ConnectionError, EOFError)):
            previous_hook(kind, error, trace)

    sys.excepthook = report
