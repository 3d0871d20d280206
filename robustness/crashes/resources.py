#!/usr/bin/env python3
"""Signals, a second run, full disks, no memory, lost processes: one line, then the same weights."""

from __future__ import annotations

import argparse

from robustness.crashes import disk_and_memory, lost_processes, signals
from robustness.crashes.disturbed_run import Bench
from robustness.harness import report
from robustness.harness.report import Tally

WORKER = ("--num_workers=1",)
KINDS = {  # what to do, with which options of the recipe
    "signals": (signals.signals, ()),
    "second": (signals.second_runs, ()),
    "killed": (signals.killed_before, ()),
    "disks": (disk_and_memory.disks, ()),
    "memory": (disk_and_memory.no_memory, ()),
    "groups": (signals.signals, WORKER),
    "workers": (lost_processes.workers, WORKER),
}
TOGETHER = {"lost": lost_processes.lost_processes, "both": lost_processes.both_asked}
GLOO = ("--distributed_backend=gloo",)


def run(asked: argparse.Namespace, tally: Tally) -> None:
    """All of them, or those that are asked for."""
    names = asked.kinds.split(",") if asked.kinds else [*KINDS, *TOGETHER]
    alone, together = ([name for name in names if name in kinds] for kinds in (KINDS, TOGETHER))
    if alone:
        with Bench(asked.seed) as bench:
            for name in alone:
                try_them, bench.options = KINDS[name]
                try_them(tally, bench, asked.number)
    if together:
        with Bench(asked.seed, GLOO, lost_processes.together()) as bench:
            for name in together:
                TOGETHER[name](tally, bench, asked.number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default="", help="only these, joined by commas")
    report.main(run, number=6, parser=parser)
