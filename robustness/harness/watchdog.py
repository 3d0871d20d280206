"""Trials in child processes: a crash, a hang, too much memory are noticed from outside."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from robustness.harness.report import LOST

SECONDS = 30.0  # of one trial, before it counts as a hang
MEMORY = 2**30  # bytes that the trials may take, all together
Drive = Callable[[Callable[[int], None], Iterable[int]], None]


def one_by_one(one: Callable[[int], None], indices: Iterable[int]) -> None:
    """Call ``one`` with each."""
    for index in indices:
        one(index)


@dataclass(frozen=True)
class Watch:
    """Trials, each in a forked child; a new child goes on where one dies.

    Arguments
    ---------
    trial : callable
        Does one trial, and says in a few words what happened. What it raises is a loss.
    seconds : float
        After which a trial hangs.
    memory : int
        Bytes of address space that a child may take besides what it begins with.
    drive : callable
        Makes the calls in the child; where a library has the loop, it is called from there.
    """

    trial: Callable[[int], str]
    seconds: float = SECONDS
    memory: int = MEMORY
    drive: Drive = one_by_one

    def watched(self, number: int) -> Iterator[tuple[int, str, str]]:
        """Try 0 … ``number`` - 1.

        Yields
        ------
        index : int
        happened : str
            What the trial said; or "LOST: …".
        told : str
            The traceback of what it raised, or nothing.
        """
        done = 0
        while done < number:
            for index, happened, told in self._child(range(done, number)):
                yield index, happened, told
                done = index + 1

    def _child(self, indices: Iterable[int]) -> Iterator[tuple[int, str, str]]:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._work(indices, writing)
        os.close(writing)
        lines = _lines(reading, self.seconds)
        try:
            for index in indices:
                line = next(lines)
                if line:
                    yield tuple(json.loads(line))
                    continue
                if line is None:
                    os.kill(child, signal.SIGKILL)
                status = os.waitpid(child, 0)[1]
                child = 0
                died = signal.Signals(status & 127).name if status & 127 else f"exit {status >> 8}"
                yield index, f"{LOST}a hang" if line is None else f"{LOST}killed by {died}", ""
                return
        finally:
            os.close(reading)
            if child:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def _work(self, indices: Iterable[int], writing: int) -> NoReturn:
        """The child: each trial's answer a line, which waits for nobody to read it."""
        status = 1

        def one(index: int) -> None:
            answer = json.dumps([index, *self._try(index)]) + "\n"
            os.write(writing, answer.encode())

        try:
            limit_memory(self.memory)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(quiet, stream)
            self.drive(one, indices)
            status = 0
        finally:
            os._exit(status)

    def _try(self, index: int) -> tuple[str, str]:
        try:
            return self.trial(index), ""
        except BaseException as error:
            kind = type(error).__name__
            return f"{LOST}{kind}", "".join(traceback.format_exception(error)[-12:])[-6000:]


def limit_memory(more: int) -> None:
    """Let this process have so many bytes of addresses more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _lines(reading: int, seconds: float) -> Iterator[bytes | None]:
    """A child's answers; nothing at their end, None where none comes in time."""
    left = b""
    while True:
        while b"\n" not in left:
            piece = None
            if select.select([reading], [], [], seconds)[0]:
                piece = os.read(reading, 65536)
            if not piece:
                yield piece
                return
            left += piece
        line, left = left.split(b"\n", 1)
        yield line
