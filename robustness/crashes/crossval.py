#!/usr/bin/env python3
"""A sweep is killed, one of its jobs is, or a file of one is damaged: run again, it ends the same.

    python -m robustness.crashes.crossval --number 8

Two jobs run at a time, and each is tied to the sweep that began it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from camser.evaluation import results
from camser.experiment.crossval import launch, main
from robustness.crashes.damaged_files import HARM
from robustness.harness import report, tiny_recipe
from robustness.harness.forked_run import Run

FOLDS = (0, 1, 2)
FORK = multiprocessing.get_context("fork")


def sweep(place: tiny_recipe.Place) -> None:
    """``crossval.py`` over some folds, two jobs at once, in this process."""
    recipe, *arguments = place.arguments()
    kept = ("output_folder", "export_folder", "number_of_epochs")
    rest = [a for a in arguments if not a.startswith(tuple(f"--{name}=" for name in kept))]
    folds = ["--folds", *map(str, FOLDS), "--workers", "2"]
    sys.argv = ["crossval.py", recipe, *folds, *rest, "--number_of_epochs=1"]
    place.output.mkdir(exist_ok=True)
    os.chdir(place.output)  # jobs write below it, in folders of their own
    # Jobs are forked from here, where all is imported, and not from a server that imports it.
    launch.multiprocessing = _Forking()
    main.main(tiny_recipe.scan, tiny_recipe.RECIPE)


class _Forking:
    """Stands for ``multiprocessing`` where jobs are launched."""

    @staticmethod
    def get_all_start_methods() -> list[str]:
        return ["forkserver"]

    @staticmethod
    def get_context(method: str) -> multiprocessing.context.BaseContext:
        return FORK


def outcome(place: tiny_recipe.Place) -> dict:
    """What all jobs come to, by their folder, and the summary that is printed."""
    found = {}
    for path in sorted(place.output.rglob(results.RESULTS)):
        told = results.read_results(path)
        del told["seconds"], told["test_seconds"]
        predictions = results.read_predictions(path.with_name(results.PREDICTIONS))
        found[str(path.parent.relative_to(place.output))] = told, predictions
    lines = place.log.read_text(encoding="utf-8").splitlines()
    begins = next(n for n, line in enumerate(lines) if line.startswith("variant (mean"))
    return {"jobs": found, "summary": lines[begins:]}


def kill_sweep(place: tiny_recipe.Place, seconds: float, rng: random.Random) -> None:
    """Kill the sweep; its jobs end by themselves."""
    begun = Run(lambda: sweep(place), place.log)
    time.sleep(rng.uniform(0, seconds))
    begun.send(signal.SIGKILL)
    assert begun.ended().status is not None, "its jobs went on"


def kill_job(place: tiny_recipe.Place, seconds: float, rng: random.Random) -> None:
    """Kill one of the jobs; the sweep goes on with the others."""
    begun = Run(lambda: sweep(place), place.log)
    time.sleep(rng.uniform(0, seconds))
    if children := begun.children():
        os.kill(rng.choice(children), signal.SIGKILL)
    assert begun.ended().status is not None, "the sweep hangs"


def harm(place: tiny_recipe.Place, seconds: float, rng: random.Random) -> None:
    """Damage a file of a job that has ended, after which the sweep is killed or ends."""
    if rng.random() < 0.5:
        kill_sweep(place, seconds, rng)
    else:
        assert Run(lambda: sweep(place), place.log).ended().status == 0
    files = [p for p in tiny_recipe.files_below(place.output) if p.suffix != ".log"]
    if files:
        rng.choice(list(HARM.values()))(rng.choice(files), rng)


def trial(
    place: tiny_recipe.Place, disturb, seconds: float, rng: random.Random, whole: dict
) -> str:
    """Disturb a sweep, then let it end; what came of it."""
    try:
        disturb(place, seconds, rng)
    except AssertionError as error:
        return f"LOST: {error}"
    status, said = Run(lambda: sweep(place), place.log).ended()
    if status == 0:
        same = outcome(place) == whole
        return "same results and summary" if same else "LOST: other results"
    if status == 1 and "Traceback" not in said and ("error: " in said):
        return "clear error" if disturb is harm else f"LOST: {said[-2000:]}"
    return f"LOST: status {status}: {said[-2000:]}"


def run(asked: argparse.Namespace, tally: report.Tally) -> None:
    """All kinds, each as often as asked for."""
    kinds = {
        "the sweep is killed": kill_sweep,
        "one of its jobs is killed": kill_job,
        "a file of a job is damaged": harm,
    }
    with tempfile.TemporaryDirectory() as folder:
        corpus = tiny_recipe.begin(Path(folder))
        whole = tiny_recipe.Place(Path(folder) / "undisturbed", corpus)
        tiny_recipe.undisturbed(tiny_recipe.Place(Path(folder) / "first", corpus), sweep)
        begun = time.monotonic()
        tiny_recipe.undisturbed(whole, sweep)
        seconds, expected = time.monotonic() - begun, outcome(whole)
        for name, disturb in kinds.items():
            for number in range(asked.number):
                place = tiny_recipe.Place(Path(folder) / "trial", corpus)
                place.folder.mkdir()
                seed = f"{asked.seed} {name} {number}"
                came = trial(place, disturb, seconds, random.Random(seed), expected)
                tally.count(name, came, f"seed {seed}\n{came}")
                shutil.rmtree(place.folder)


if __name__ == "__main__":
    report.main(run, number=8)
