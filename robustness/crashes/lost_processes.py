"""Runs that lose a process: a loader's worker, or one of two that train together."""

from __future__ import annotations

import os
import signal
import socket

from robustness.crashes.disturbed_run import Bench
from robustness.crashes.signals import until_locked, while_it_loads
from robustness.harness.report import Tally

GRACE = 60.0  # seconds in which what cannot go on has ended


def workers(tally: Tally, bench: Bench, number: int) -> None:
    """SIGKILL for a loader's worker."""
    for trial in range(number):
        folder, fault = bench.work / f"worker-{trial}", "SIGKILL for a loader's worker"
        (run,) = bench.start(folder)
        while_it_loads(bench, run)
        for pid in run.children()[:1]:
            os.kill(pid, signal.SIGKILL)
        bench.judge_end(tally, fault, run.ended(), folder, "it had ended", word="worker")


def together(count: int = 2) -> list[dict[str, str]]:
    """The environments of processes that train together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    return [where | {"RANK": str(n), "LOCAL_RANK": str(n)} for n in range(count)]


def lost_processes(tally: Tally, bench: Bench, number: int) -> None:
    """Of two processes that train together one is killed."""
    for trial in range(number):
        folder, fault = bench.work / f"lost-{trial}", "one of two processes is killed"
        bench.environments = together()
        both = bench.start(folder)
        killed = both.pop(bench.rng.randrange(2))
        until_locked(folder, killed)  # before they have met, only who started both can tell
        killed.wait(bench.moment())
        killed.send(signal.SIGKILL)
        killed.ended()
        end = both[0].ended(GRACE)
        bench.environments = together()
        bench.judge_end(tally, fault, end, folder, "it had ended", untyped=True)


def both_asked(tally: Tally, bench: Bench, number: int) -> None:
    """Two processes that train together are both asked to end."""
    for trial in range(number):
        folder, fault = bench.work / f"both-{trial}", "SIGTERM for both of two processes"
        bench.environments = together()
        both = bench.start(folder)
        both[0].wait(bench.moment())
        for run in both:
            run.send(signal.SIGTERM)
        ends = [run.ended(GRACE) for run in both]
        bench.environments = together()
        if all(end.status is not None and "Traceback" not in end.said for end in ends):
            saved = any("saved" in end.said for end in ends)
            bench.judge(tally, fault, "a checkpoint" if saved else "ended at once", folder)
        else:
            told = "\n".join(end.said[-1500:] for end in ends)
            tally.lose(fault, f"status {[end.status for end in ends]}", told)
