"""Trials in child processes: a crash, a hang, too much memory are noticed from outside."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from robustness.harness.report import LOST

SECONDS = 30.0  # of one trial, before it counts as a hang
MEMORY = 2**30  # bytes that the trials may take, all together
FORK = multiprocessing.get_context("fork")  # a child has all that is imported
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
            for answer in self._child(range(done, number)):
                yield done, *answer
                done += 1

    def _child(self, indices: Iterable[int]) -> Iterator[tuple[str, str]]:
        """The answers of one child; the last one says how it died, if it did."""
        reading, writing = FORK.Pipe(duplex=False)
        child = FORK.Process(target=self._work, args=(indices, writing))
        child.start()
        writing.close()
        try:
            for _ in indices:
                if not reading.poll(self.seconds):
                    yield f"{LOST}a hang", ""
                    return
                yield reading.recv()
        except EOFError:
            child.join()
            code = child.exitcode
            died = f"exit {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
            yield f"{LOST}{died}", ""
        finally:
            child.kill()
            child.join()

    def _work(self, indices: Iterable[int], writing: Connection) -> None:
        """In the child: send what came of each trial."""
        limit_memory(self.memory)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        self.drive(lambda index: writing.send(self._try(index)), indices)

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
