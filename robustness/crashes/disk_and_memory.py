"""Runs whose disk is full or may only be read, and runs whose address space ends."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from robustness.crashes.disturbed_run import Bench
from robustness.harness import tiny_recipe
from robustness.harness.forked_run import Ended
from robustness.harness.report import Tally
from robustness.harness.watchdog import limit_memory

Change = Callable[[str], None]


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Change]:
    """A file system of that size, whose options the caller may change."""
    place.mkdir()
    _mount(place, f"size={kilobytes}k", "-t", "tmpfs", "tmpfs")
    try:
        yield lambda options: _mount(place, f"remount,{options}")
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def _mount(place: Path, options: str, *more: str) -> None:
    subprocess.run(["mount", "-o", options, *more, place], check=True, capture_output=True)


def can_mount(bench: Bench) -> bool:
    """Whether this user may make file systems."""
    try:
        with small_disk(bench.work / "disk", 64):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def disks(tally: Tally, bench: Bench, number: int) -> None:
    """A disk that is full somewhere on the way, and one that may only be read."""
    if not can_mount(bench):
        return
    files = tiny_recipe.files_below(bench.work / "undisturbed")
    needed = sum(path.stat().st_size for path in files) // 1024
    for trial in range(number):
        folder = bench.work / f"full-{trial}"
        with small_disk(folder, bench.rng.randrange(8, needed)) as change:
            (end,) = bench.whole(folder)
            mend = partial(change, "size=1g")
            _judge(tally, "a disk that is full at a random write", bench, folder, end, mend)
    for trial in range(max(1, number // 4)):
        folder = bench.work / f"readonly-{trial}"
        with small_disk(folder, 1 << 20) as change:
            (run,) = bench.start(folder)
            run.wait(bench.moment())
            run.send(signal.SIGTERM)
            run.ended()
            change("ro")
            (end,) = bench.whole(folder)
            _judge(
                tally, "a folder that may only be read", bench, folder, end, partial(change, "rw")
            )


def _judge(
    tally: Tally, fault: str, bench: Bench, folder: Path, end: Ended, mend: Callable[[], None]
) -> None:
    left = tiny_recipe.left_over(bench.place(folder))
    mend()
    if left:
        tally.lose(fault, f"left {left}", end.said[-1500:])
    else:
        bench.judge_end(tally, fault, end, folder, "it had room")


def no_memory(tally: Tally, bench: Bench, number: int) -> None:
    """An address space that ends somewhere on the way."""
    for trial in range(number):
        folder, more = bench.work / f"memory-{trial}", bench.rng.randrange(2 << 20, 160 << 20)
        (run,) = bench.start(folder, before=partial(limit_memory, more))
        fault = "no memory at a random moment"
        bench.judge_end(tally, fault, run.ended(), folder, "it had enough", "memory", untyped=True)
