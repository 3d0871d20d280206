#!/usr/bin/env python3
"""Hostile files for every reader: an error that names the file, or a right answer; nothing else.

Each trial writes a file as its owner would not, and reads it, in a child process whose memory is
bounded and whose time is watched.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from robustness.fuzzing import readers
from robustness.fuzzing.readers import Target
from robustness.harness import report
from robustness.harness.watchdog import Watch


def trial(target: Target, random: Random, folder: Path) -> str:
    """Read one hostile file, as ``random`` draws it; what happened, in a few words."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = target.write(random, folder)
    try:
        target.read(path)
    except target.errors as error:
        named = folder.name in str(error) or "overrides" in target.name
        assert named, f"{type(error).__name__} does not name the file: {error}"
        return "an error that names it"
    return "a right answer"


def run(asked: argparse.Namespace, tally: report.Tally, every: Sequence[Target] = ()) -> None:
    """Each target ``number`` times, the slow ones less often; by default all of them."""
    if not every:
        from robustness.fuzzing import command_lines, model_readers

        every = [*readers.targets(), *model_readers.targets(), *command_lines.all_targets()]
    with tempfile.TemporaryDirectory() as place:
        for target in every:
            number = max(1, asked.number // target.slow)
            seeds = [f"{asked.seed}/{target.name}/{index}" for index in range(number)]
            folder = Path(place, "hostile")
            tries = Watch(lambda i: trial(target, Random(seeds[i]), folder)).watched(number)  # noqa: B023
            for index, happened, told in tries:
                how = f"trial({target.name!r}, Random({seeds[index]!r}))\n{told}"
                tally.count(target.name, happened, how)


if __name__ == "__main__":
    report.main(run, number=4000)
