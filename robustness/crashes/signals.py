"""Runs that get a signal, and runs in a folder where another is at work or was killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from robustness.crashes.disturbed_run import Bench
from robustness.harness.forked_run import Ended, Run
from robustness.harness.report import Tally


def while_it_loads(bench: Bench, run: Run) -> None:
    """Wait for some moment at which the run has workers, or for its end."""
    while not run.children() and not run.wait(0.01):
        pass
    run.wait(bench.rng.uniform(0, bench.seconds / 2))
    while not run.children() and not run.wait(0.01):
        pass


def until_locked(folder: Path, run: Run) -> None:
    """Wait until the run has its folder for itself, or for its end."""
    while not (folder / "run/.lock").exists() and not run.wait(0.05):
        pass


def happened_to(end: Ended, status: int) -> str:
    """How a run ended that was asked to end with a status; "" where it ended in another way."""
    if end.status not in (status, 0) or "Traceback" in end.said:
        return ""
    if end.status == 0:
        return "it had ended"
    return "a checkpoint" if "saved" in end.said else "ended at once"


def signals(tally: Tally, bench: Bench, number: int) -> None:
    """SIGINT and SIGTERM, for the run alone, or with its workers, as a terminal sends them."""
    grouped = "--num_workers=1" in bench.options
    target, how = (", for its workers too", os.killpg) if grouped else ("", os.kill)
    for asked in (signal.SIGINT, signal.SIGTERM):
        for trial in range(number):
            fault = f"{asked.name} at a random moment{target}"
            folder = bench.work / f"{asked.name}{grouped:d}-{trial}"
            (run,) = bench.start(folder)
            if grouped:
                while_it_loads(bench, run)
            else:
                run.wait(bench.moment())
            run.send(asked, how)
            end = run.ended()
            if happened := happened_to(end, 128 + asked):
                bench.judge(tally, fault, happened, folder)
            else:
                tally.lose(fault, f"status {end.status} instead of {128 + asked}", end.said[-1500:])


def second_runs(tally: Tally, bench: Bench, number: int) -> None:
    """Another run in the folder of one that is at work."""
    fault = "a second run in the same folder"
    for trial in range(number):
        folder = bench.work / f"second-{trial}"
        (first,) = bench.start(folder)
        until_locked(folder, first)
        first.wait(bench.rng.uniform(0, bench.seconds / 2))
        (second,) = (run.ended() for run in bench.start(folder))
        two_at_once = second.status == 0 and not first.wait(0)
        ended = first.ended().status
        if second.status == 0 and not two_at_once:
            tally.add(fault, "the first had ended")
        elif "is in use by another run" in second.line and ended == 0:
            bench.judge(tally, fault, "refused", folder)
        else:
            tally.lose(fault, f"status {ended} and {second.status}", second.said[-1500:])


def killed_before(tally: Tally, bench: Bench, number: int) -> None:
    """Another run in the folder of one that was killed."""
    for trial in range(number):
        folder = bench.work / f"killed-{trial}"
        (first,) = bench.start(folder)
        first.wait(bench.moment())
        first.send(signal.SIGKILL)
        first.ended()
        bench.judge(tally, "a run after one that was killed", "no lock in the way", folder)
