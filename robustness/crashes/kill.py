#!/usr/bin/env python3
"""Training is killed by SIGKILL and started again, until it ends: it must end as if undisturbed.

    python -m robustness.crashes.kill --number 12

Killed at any moment, or at a chosen write: before or after any call that changes a file, or in the
midst of saving a tensor, while the run prepares, trains, or writes its results and its export. A
trial is killed once to three times.
"""

from __future__ import annotations

import argparse
import builtins
import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from camser.experiment import run as experiment_run
from robustness.harness import report, tiny_recipe
from robustness.harness.forked_run import Run

PHASES = {
    "while it prepares, packs and keeps": "prepare",
    "at a write while it trains": "train",
    "at a write of results and export": "test",
}
CALLS = ("open", "fsync", "replace", "rename", "mkdir", "rmdir", "unlink")  # os's


class Writes:
    """Counts the calls that change files, phase by phase, and kills this process at one of them.

    Arguments
    ---------
    phase : str
        "prepare", "train" or "test".
    number : int
        The call at which to kill, from 1; 0: at none.
    rng : Random
        Whether before the call, after it or, where a tensor is saved, in its midst.
    """

    def __init__(self, phase: str, number: int, rng: random.Random) -> None:
        self.at, self.rng = (phase, number), rng
        self.phase, self.counts = "prepare", dict.fromkeys(PHASES.values(), 0)

    def watch(self) -> None:
        """Take the place of what is called."""
        for name in CALLS:
            setattr(os, name, self._around(getattr(os, name), name))
        builtins.open = self._around(builtins.open, "builtins.open")
        torch.save = self._around(torch.save, "torch.save")
        for phase in ("train", "test"):
            setattr(
                experiment_run.Run, phase, self._begins(getattr(experiment_run.Run, phase), phase)
            )

    def _begins(self, act: Callable, phase: str) -> Callable:
        def begin(run: experiment_run.Run) -> None:
            self.phase = phase
            act(run)

        return begin

    def _around(self, call: Callable, name: str) -> Callable:
        def counted(*args: Any, **kwargs: Any) -> Any:
            if not _writes(name, args, kwargs):
                return call(*args, **kwargs)
            self.counts[self.phase] += 1
            is_here = (self.phase, self.counts[self.phase]) == self.at
            if is_here and self.rng.random() < 0.4:
                _die()
            given = call(*args, **kwargs)
            if is_here and name == "torch.save" and self.rng.random() < 0.7:
                os.truncate(args[1], self.rng.randrange(os.path.getsize(args[1])))
            if is_here:
                _die()
            return given

        return counted


def _writes(name: str, args: tuple, kwargs: dict) -> bool:
    if name == "builtins.open":
        mode = args[1] if len(args) > 1 else kwargs.get("mode", "r")
        return any(letter in mode for letter in "wax+")
    if name == "open":
        return bool(args[1] & (os.O_WRONLY | os.O_RDWR))
    return True


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def count_writes(place: tiny_recipe.Place) -> dict[str, int]:
    """Let a run end undisturbed; how many writes each of its phases has."""

    def act(place: tiny_recipe.Place) -> None:
        writes = Writes("", 0, random.Random(0))
        writes.watch()
        tiny_recipe.train(place)
        (place.folder / "counts").write_text(json.dumps(writes.counts), encoding="utf-8")

    tiny_recipe.undisturbed(place, act)
    return json.loads((place.folder / "counts").read_text(encoding="utf-8"))


def killed_at(place: tiny_recipe.Place, phase: str, number: int, rng: random.Random) -> bool:
    """Kill a run at a write; whether it came so far."""
    writes = Writes(phase, number, rng)

    def act() -> None:
        writes.watch()
        tiny_recipe.train(place)

    return Run(act, place.log).ended().status == -signal.SIGKILL


def killed_after(place: tiny_recipe.Place, seconds: float) -> bool:
    """Kill a run some time after it began; whether it still ran."""
    begun = Run(lambda: tiny_recipe.train(place), place.log)
    time.sleep(seconds)
    begun.send(signal.SIGKILL)  # one that has ended is not gone before it is waited for
    return begun.ended().status == -signal.SIGKILL


def trial(
    place: tiny_recipe.Place, phase: str, latest: float, rng: random.Random, whole: dict[str, Any]
) -> str:
    """Kill a run once to three times, then let it end; what came of it."""
    times = 0
    for _ in range(rng.randint(1, 3)):
        if phase:
            times += killed_at(place, phase, rng.randint(1, int(latest)), rng)
        else:
            times += killed_after(place, rng.uniform(0, latest))
    if told := tiny_recipe.ended(place):
        return told if told.startswith("LOST") else f"LOST: {told}"
    if different := tiny_recipe.lost(place, whole):
        return different
    if left := tiny_recipe.left_over(place):
        return f"LOST: left {', '.join(left)}"
    return "same weights and results" if times else "ended before the kill"


def run(asked: argparse.Namespace, tally: report.Tally) -> None:
    """All kinds, each as often as asked for."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = tiny_recipe.begin(Path(folder))
        whole = tiny_recipe.Place(Path(folder) / "undisturbed", corpus)
        counts, expected = count_writes(whole), tiny_recipe.outcome(whole)
        timed, begun = tiny_recipe.Place(Path(folder) / "timed", corpus), time.monotonic()
        tiny_recipe.undisturbed(timed)
        seconds = time.monotonic() - begun
        kinds = {"at any moment": ("", seconds)}
        kinds |= {name: (phase, counts[phase]) for name, phase in PHASES.items()}
        for name, (phase, latest) in kinds.items():
            for number in range(asked.number):
                place = tiny_recipe.Place(Path(folder) / "trial", corpus)
                place.folder.mkdir()
                if phase not in ("", "prepare"):
                    shutil.copytree(whole.prepared, place.prepared)
                seed = f"{asked.seed} {name} {number}"
                came = trial(place, phase, latest, random.Random(seed), expected)
                tally.count(name, came, f"seed {seed}\n{came}")
                shutil.rmtree(place.folder)


if __name__ == "__main__":
    report.main(run, number=12)
