#!/usr/bin/env python3
"""Signals, a second run, full disks, no memory, lost processes: one line, then the same weights."""

from __future__ import annotations

import argparse

import bereft
import campaign
import exhausted
import interrupted
from campaign import Tally
from disturbed import Bench

WORKER = ("--num_workers=1",)
KINDS = {  # what to do, with which options of the recipe
    "signals": (interrupted.signals, ()),
    "second": (interrupted.second_runs, ()),
    "killed": (interrupted.killed_before, ()),
    "disks": (exhausted.disks, ()),
    "memory": (exhausted.no_memory, ()),
    "groups": (interrupted.signals, WORKER),
    "workers": (bereft.workers, WORKER),
}
TOGETHER = {"lost": bereft.lost_processes, "both": bereft.both_asked}
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
        with Bench(asked.seed, GLOO, bereft.together()) as bench:
            for name in together:
                TOGETHER[name](tally, bench, asked.number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default="", help="only these, joined by commas")
    campaign.main(run, number=6, parser=parser)
