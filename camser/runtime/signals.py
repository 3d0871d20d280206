"""SIGINT and SIGTERM: what is under way ends at once, training at its next whole state."""

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
SAME_WITHIN = 1.0  # seconds; the same request comes from a terminal, a launcher and a scheduler


class SignalState:
    """What this process was asked by signals.

    The first one ends the process with 128 + its number, as a shell tells it; where that is
    deferred, it is only noted. One more, after ``SAME_WITHIN``, ends it outright.

    Attributes
    ----------
    asked : int
        The first signal's number; 0: none came.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Be as if none had come."""
        self.received, self._at, self._deferring = 0, 0.0, False

    def install(self) -> None:
        """Begin to listen. A signal that is ignored, as in the background of a shell, stays so."""
        if threading.current_thread() is not threading.main_thread():
            return  # only that one may; whoever runs camser in another has handlers of its own
        self.forget()
        for number in HANDLED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)
        if sys.unraisablehook != self._resend_lost_signal:
            self._told, sys.unraisablehook = sys.unraisablehook, self._resend_lost_signal

    @contextmanager
    def defer(self) -> Iterator[None]:
        """While this lasts, a signal is noted, and whoever works looks at ``asked``."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    @contextmanager
    def default_handlers(self) -> Iterator[None]:
        """While this lasts, a signal ends the process outright, as the system does it.

        Where others are waited for in C++, Python would see the signal only once they have come.
        """
        ours = [number for number in HANDLED if signal.getsignal(number) == self._receive]
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        try:
            yield
        finally:
            for number in ours:
                signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received and now - self._at < SAME_WITHIN:
            return
        if self.received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received, self._at = number, now
        ignore_child_exits()  # a loader's workers may have had it too
        if not self._deferring:
            sys.exit(exit_status(number))
        told = "ends after a checkpoint; once more, after a second, and it ends now"
        with contextlib.suppress(OSError):  # who reads may have ended for the same signal
            # A print could be what the signal interrupts.
            os.write(2, f"\n{signal.Signals(number).name}: {told}\n".encode())

    def _resend_lost_signal(self, ignored: Any) -> None:
        """Python ignores what is raised around a fork: a signal comes once more, and that a worker
        is gone, whoever waits for its batch finds out.
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
    """From now on a child that ends is no news: PyTorch's handler would raise that anywhere."""
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, lambda *given: None)


def ignore_sigint_in_worker(worker: int) -> None:
    """The ``worker_init_fn`` of a loader: whether and how all ends, the main process tells.

    Ctrl-C, which all of a terminal's get, is not for a worker; and where the main process is gone,
    the thread that hands it memory has nothing to say.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = sys.excepthook

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, (ConnectionError, EOFError)):
            told(kind, error, trace)

    sys.excepthook = tell
