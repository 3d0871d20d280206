"""What is disturbed runs in a process of its own, forked where all is imported: in an instant."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

STOPPED = "The run stopped here. "
LONGEST = 900.0  # seconds; what takes longer hangs
PR_SET_CHILD_SUBREAPER = 36  # of Linux's prctl


def adopt() -> None:
    """Make the orphans of killed processes children of this one, which sees them end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Ended(NamedTuple):
    """How a process ended: its status, None where it had to be killed, and what it said."""

    status: int | None
    said: str

    @property
    def line(self) -> str:
        """The one line of ours that it ended with, and no traceback; "" if it did not."""
        told = [line for line in self.said.splitlines() if line.startswith("error: ")]
        alone = self.status == 1 and len(told) == 1 and "Traceback" not in self.said
        return told[0] if alone else ""

    @property
    def is_as_it_was(self) -> bool:
        """Whether it ended with the error of another library as it was, and our line beneath it."""
        last = self.said.strip().rpartition("\n")[2]
        return self.status == 1 and "Traceback" in self.said and last.startswith(STOPPED)


class Run:
    """What a forked process does, which leads a group of its own.

    Arguments
    ---------
    act : callable
        What it does.
    log : Path
        Where it says what it says.
    """

    def __init__(self, act: Callable[[], Any], log: Path) -> None:
        self.log, self.status = log, None
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _be(act, log)
        with contextlib.suppress(OSError):  # the child may have done it
            os.setpgid(self.pid, self.pid)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        deadline = time.monotonic() + seconds
        while self.status is None:
            done, code = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.status = os.waitstatus_to_exitcode(code)
            elif time.monotonic() >= deadline:
                return False
            else:
                time.sleep(0.005)
        return True

    def ended(self, seconds: float = LONGEST) -> Ended:
        """Its end, and that of all that it began; what takes longer is killed."""
        deadline = time.monotonic() + seconds
        gone = self.wait(seconds) and self._is_empty(deadline)
        if not gone:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._is_empty(time.monotonic() + seconds)
        return Ended(self.status if gone else None, self.log.read_text("utf-8", "replace"))

    def _is_empty(self, deadline: float) -> bool:
        """Whether its group has nobody left by then."""
        while True:
            try:
                done = os.waitpid(-self.pid, os.WNOHANG)[0]
            except ChildProcessError:
                return True
            if not done and time.monotonic() >= deadline:
                return False
            if not done:
                time.sleep(0.005)

    def send(self, number: int, how: Callable[[int, int], None] = os.kill) -> None:
        """Send a signal, to itself or (``os.killpg``) its group; one that has ended gets none."""
        if self.status is None:
            how(self.pid, number)

    def children(self) -> list[int]:
        """The processes that it has begun itself."""
        try:
            told = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in told.split()]


def _be(act: Callable[[], Any], log: Path) -> NoReturn:
    status = 1
    try:
        os.setpgid(0, 0)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        act()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
