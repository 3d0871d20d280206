#!/usr/bin/env python3
"""Signals, a second run, full disks, no memory, lost processes: one line, then the same weights."""

from __future__ import annotations

import argparse
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import campaign
from campaign import Tally
from runs import GRACE, Bench, Ended, Run, parts

SAME = "same weights after the same command"


def judge(tally: Tally, fault: str, happened: str, bench: Bench, folder: Path) -> None:
    """Give the same command again: the run must end as the undisturbed one did."""
    wrong = bench.goes_on(folder) or (f"left {parts(folder)}" if parts(folder) else "")
    how = f"in {folder.name}, options {bench.options}"
    if wrong:
        tally.lose(fault, f"{happened}; {wrong}", how)
    else:
        tally.add(fault, f"{happened}, {SAME}")


def ended_well(tally: Tally, fault: str, end: Ended, status: int) -> str | None:
    """How a run ended that was asked to; None (and lost) where it ended in another way."""
    if end.status in (status, 0) and "Traceback" not in end.said:
        if end.status == 0:
            return "it had ended"
        return "a checkpoint" if "saved" in end.said else "ended at once"
    tally.lose(fault, f"status {end.status} instead of {status}", end.said[-1500:])
    return None


def some_time(bench: Bench, run: Run) -> None:
    """Wait for some moment of the run."""
    run.wait(bench.moment())


def while_it_loads(bench: Bench, run: Run) -> None:
    """Wait for some moment at which the run has workers, or for its end."""
    while not run.workers() and not run.wait(0.01):
        pass
    run.wait(bench.rng.uniform(0, bench.seconds / 2))
    while not run.workers() and not run.wait(0.01):
        pass


def signals(tally: Tally, bench: Bench, number: int) -> None:
    """SIGINT and SIGTERM, for the run alone, or with its workers, as a terminal sends them."""
    grouped = "--num_workers=1" in bench.options
    target, send = (", for its workers too", os.killpg) if grouped else ("", os.kill)
    wait = while_it_loads if grouped else some_time
    for name in ("SIGINT", "SIGTERM"):
        asked = signal.Signals[name]
        for trial in range(number):
            fault = f"{name} at a random moment{target}"
            folder = bench.work / f"{name}{grouped:d}-{trial}"
            (run,) = bench.start(folder)
            wait(bench, run)
            if not run.wait(0):
                send(run.pid, asked)
            happened = ended_well(tally, fault, run.ended(), 128 + asked)
            if happened:
                judge(tally, fault, happened, bench, folder)


def second_runs(tally: Tally, bench: Bench, number: int) -> None:
    """Another run in the folder of one that is at work, or that was killed."""
    for trial in range(number):
        folder = bench.work / f"second-{trial}"
        (first,) = bench.start(folder)
        if first.wait(bench.rng.uniform(0.1, bench.seconds / 2)):
            continue
        while not (folder / "run/.lock").exists() and not first.wait(0.05):
            pass
        refused = bench.start(folder)[0].ended()
        fault = "a second run in the same folder"
        if "is in use by another run" in refused.said and refused.in_a_line:
            end = first.ended()
            happened = "refused" if end.status == 0 else f"the first ended with {end.status}"
            judge(tally, fault, happened, bench, folder)
        elif refused.status == 0 and not first.wait(0):
            tally.lose(fault, "two at once", refused.said[-1500:])
            first.ended()
        elif refused.status == 0:
            tally.add(fault, "the first had ended")
        else:
            tally.lose(fault, f"status {refused.status}", refused.said[-1500:])
            first.ended()
    for trial in range(number):
        folder = bench.work / f"killed-{trial}"
        (first,) = bench.start(folder)
        if not first.wait(bench.moment()):
            os.kill(first.pid, signal.SIGKILL)
        first.ended()
        judge(tally, "a run after one that was killed", "no lock in the way", bench, folder)


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Callable[[str], None]]:
    """A file system of that size, whose options the caller may change."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield lambda options: subprocess.run(
            ["mount", "-o", f"remount,{options}", str(place)], check=True, capture_output=True
        )
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def can_mount(bench: Bench) -> bool:
    """Whether this user may make file systems."""
    try:
        with small_disk(bench.work / "disk", 64):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def disks(tally: Tally, bench: Bench, number: int) -> None:
    """A disk that is full somewhere on the way, and one that may only be read."""
    needed = sum(p.stat().st_size for p in (bench.work / "undisturbed").rglob("*")) // 1024
    for trial in range(number):
        folder = bench.work / f"full-{trial}"
        with small_disk(folder, bench.rng.randrange(8, needed)) as change:
            end = bench.whole(folder)[0]
            after = lambda: change("size=1g")  # noqa: E731
            _disk(tally, "a disk that is full at a random write", end, bench, folder, after)
    for trial in range(max(1, number // 4)):
        folder = bench.work / f"readonly-{trial}"
        with small_disk(folder, 1 << 20) as change:
            (run,) = bench.start(folder)
            if not run.wait(bench.moment()):
                os.kill(run.pid, signal.SIGTERM)
            run.ended()
            change("ro")
            end = bench.whole(folder)[0]
            after = lambda: change("rw")  # noqa: E731
            _disk(tally, "a folder that may only be read", end, bench, folder, after)


def _disk(
    tally: Tally, fault: str, end: Ended, bench: Bench, folder: Path, mend: Callable[[], object]
) -> None:
    left = parts(folder)
    mend()
    if end.status == 0:
        judge(tally, fault, "it had room", bench, folder)
    elif not end.in_a_line or left:
        tally.lose(fault, f"status {end.status}, left {left}", end.said[-1500:])
    else:
        judge(tally, fault, "one line", bench, folder)


def no_memory(tally: Tally, bench: Bench, number: int) -> None:
    """An address space that ends somewhere on the way."""
    for trial in range(number):
        more = bench.rng.randrange(2 << 20, 160 << 20)

        def limit(more: int = more) -> None:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + more, size + more))

        folder, fault = bench.work / f"memory-{trial}", "no memory at a random moment"
        end = bench.start(folder, before=limit)[0].ended()
        if end.status == 0 or (end.in_a_line and "memory" in end.said):
            happened = "it had enough" if end.status == 0 else "one line"
            judge(tally, fault, happened, bench, folder)
        else:
            tally.lose(fault, f"status {end.status} with {more} bytes", end.said[-1500:])


def workers(tally: Tally, bench: Bench, number: int) -> None:
    """SIGKILL for a loader's worker."""
    for trial in range(number):
        folder, fault = bench.work / f"worker-{trial}", "SIGKILL for a loader's worker"
        (run,) = bench.start(folder)
        while_it_loads(bench, run)
        for pid in run.workers()[:1]:
            os.kill(pid, signal.SIGKILL)
        end = run.ended()
        if end.status == 0 or (end.in_a_line and "worker" in end.said):
            happened = "it had ended" if end.status == 0 else "one line"
            judge(tally, fault, happened, bench, folder)
        else:
            tally.lose(fault, f"status {end.status}", end.said[-1500:])


def distributed(count: int = 2) -> list[dict[str, str]]:
    """The environments of processes that work together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    return [where | {"RANK": str(n), "LOCAL_RANK": str(n)} for n in range(count)]


def lost_processes(tally: Tally, bench: Bench, number: int) -> None:
    """Of two processes that train together one is killed, or both are asked to end."""
    for trial in range(number):
        folder, fault = bench.work / f"lost-{trial}", "one of two processes is killed"
        bench.environments = distributed()
        both = bench.start(folder)
        killed = bench.rng.randrange(2)
        while not (folder / "run/.lock").exists() and not both[0].wait(0.05):
            pass  # before they have met, only who started both can tell that one is gone
        if not both[killed].wait(bench.moment()):
            os.kill(both[killed].pid, signal.SIGKILL)
        both[killed].ended()
        end = both[1 - killed].ended(GRACE)
        bench.environments = distributed()
        if end.status == 0 or end.in_a_line:
            happened = "it had ended" if end.status == 0 else "the other ends with one line"
            judge(tally, fault, happened, bench, folder)
        else:
            tally.lose(fault, f"the other: {end.status}", end.said[-1500:])
    for trial in range(number):
        folder, fault = bench.work / f"both-{trial}", "SIGTERM for both of two processes"
        bench.environments = distributed()
        both = bench.start(folder)
        both[0].wait(bench.moment())
        for run in both:
            _send(run, signal.SIGTERM)
        ends = [run.ended(GRACE) for run in both]
        bench.environments = distributed()
        if all(e.status is not None and "Traceback" not in e.said for e in ends):
            saved = any("saved" in end.said for end in ends)
            judge(tally, fault, "a checkpoint" if saved else "ended at once", bench, folder)
        else:
            told = "\n".join(end.said[-1500:] for end in ends)
            tally.lose(fault, f"status {[end.status for end in ends]}", told)


def _send(run: Run, number: int) -> None:
    if not run.wait(0):
        os.kill(run.pid, number)


KINDS = {
    "signals": (signals, 0),
    "second": (second_runs, 0),
    "disks": (disks, 0),
    "memory": (no_memory, 0),
    "groups": (signals, 1),
    "workers": (workers, 1),
    "lost": (lost_processes, 0),
}  # what to do, with how many loader's workers


def run(asked: argparse.Namespace, tally: Tally) -> None:
    """All of them, or those that are asked for."""
    kinds = asked.kinds.split(",") if asked.kinds else list(KINDS)
    for together in (False, True):
        chosen = [name for name in kinds if (name == "lost") == together]
        if not chosen:
            continue
        environments = distributed() if together else [{}]
        backend = ["--distributed_backend=gloo"] if together else []
        bench = Bench(asked.seed, backend, environments)
        try:
            for name in chosen:
                try_them, num_workers = KINDS[name]
                bench.options = [*backend, f"--num_workers={num_workers}"]
                if name != "disks" or can_mount(bench):
                    try_them(tally, bench, asked.number)
        finally:
            bench.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default="", help="only these, joined by commas")
    campaign.main(run, number=6, parser=parser)
