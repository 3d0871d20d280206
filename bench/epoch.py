#!/usr/bin/env python3
"""A whole epoch on a corpus of IEMOCAP's size, part by part, and from it the cost of ten folds.

    python bench/epoch.py --output bench/results/epoch-cpu.json
    python bench/epoch.py --device cuda --output bench/results/epoch-gpu.json

The lengths of the utterances are those of ``noise_corpus.py``. On a GPU the paper's system trains,
with the recipe's own settings. Elsewhere its steps would take hours: a small model trains, which
tells what lies between the steps, and ``--training``, the file of training.py, tells how long the
paper's steps are beside it. A step on a GPU is waited for, so that what would overlap it counts in
full.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import speechbrain as sb
from harness import camser_model, measurement, noise_corpus
from harness.training_epoch import Stopwatch

from camser.data.prepare import prepare
from camser.experiment.run import Run
from camser.training.brain import EmotionBrain

Times = dict[str, float]  # seconds by name
FOLDS = 10
SECONDS = 3.0
SMALLEST = {"modalities": "[mfcc, wav2vec2]", "fusion": "concat", "cache_features": "false"}
OVERHEAD = ("between steps", "validation", "scores and checkpoint")


def watch(brain: EmotionBrain, device: str) -> list[Times]:
    """Stand before the Brain's methods; the list gets the seconds of the parts of each epoch."""
    steps, epochs, began = Stopwatch(brain.fit_batch, device), [], {}
    start, end = brain.on_stage_start, brain.on_stage_end

    def on_stage_start(stage: sb.Stage, *args: Any, **kwargs: Any) -> None:
        began[stage] = time.perf_counter()
        if stage == sb.Stage.TRAIN:
            steps.begin()
        start(stage, *args, **kwargs)

    def on_stage_end(stage: sb.Stage, *args: Any, **kwargs: Any) -> None:
        measurement.synchronize(device)
        seconds = time.perf_counter() - began[stage]
        _, own = measurement.timed(lambda: end(stage, *args, **kwargs), device)
        if stage == sb.Stage.TRAIN:
            found = {"steps": steps.inside, "between steps": seconds - steps.inside + own}
            epochs.append({"num_steps": steps.calls, **found})
        elif stage == sb.Stage.VALID:
            epochs[-1] |= {"validation": seconds, "scores and checkpoint": own}

    brain.fit_batch, brain.on_stage_start, brain.on_stage_end = steps, on_stage_start, on_stage_end
    return epochs


def measure(folder: Path, asked: argparse.Namespace) -> tuple[Run, Times, Times]:
    """The run, the seconds of what is done once, and those of the parts of an epoch."""
    lengths = noise_corpus.iemocap_lengths(asked.utterances)
    audio = noise_corpus.write_corpus(folder / "corpus", lengths)
    options = {"number_of_epochs": 2, "num_attention_examples": 0, "save_embeddings": "false"}
    if asked.size == "small":
        options |= SMALLEST
    overrides = [f"--{name}={value}" for name, value in options.items()]
    values = camser_model.settings(asked.size, *overrides, corpus=audio).values
    once = {}
    told = {name: values[name] for name in ("labels", "merge_labels")}
    where = (noise_corpus.scan, audio, folder / "prepared")
    _, once["preparation"] = measurement.timed(lambda: prepare(*where, **told))
    run, once["building and packing"] = measurement.timed(
        lambda: camser_model.start(
            asked.size, folder / "run", audio, noise_corpus.scan, asked.device, *overrides
        )
    )
    epochs = watch(run.brain, asked.device)
    run.train()
    _, once["test"] = measurement.timed(run.test, asked.device)
    return run, once, epochs[-1]  # the first one wakes workers, compiles, fills caches


def parts(epoch: Times, paper: Times | None) -> list[dict]:
    """A row for each part of an epoch, and one for all that is not a step."""
    columns = {"seconds": epoch} | ({"at the paper's sizes, seconds": paper} if paper else {})
    rows = []
    for name in ("steps", *OVERHEAD, "all but the steps"):
        row: dict[str, Any] = {"part": name}
        for column, times in columns.items():
            seconds = sum(times[part] for part in ((name,) if name in times else OVERHEAD))
            whole = sum(times[part] for part in ("steps", *OVERHEAD))
            row |= {column: seconds, f"{column.removesuffix('seconds')}%": 100 * seconds / whole}
        row["ms a step"] = 1000 * row["seconds"] / epoch["num_steps"]
        rows.append(row)
    return rows


def at_papers_sizes(run: Run, epoch: Times, step: float) -> Times:
    """The same epoch with steps of ``step`` seconds. What lies between them stays as it is;
    validation is the forward third of a step for each of its segments."""
    train, valid = (
        sum(math.ceil(u.seconds / SECONDS) for u in part)
        for part in (run.fold.train, run.fold.valid)
    )
    steps = step * epoch["num_steps"]
    return {**epoch, "steps": steps, "validation": steps * valid / (3 * train)}


def paper_step(path: Path, batch_size: int) -> float | None:
    """Seconds of a step of ``batch_size`` at the paper's sizes, by training.py's file."""
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    (ours,) = (row for row in found["tables"]["step"] if row["what"] == "camser")
    return batch_size / ours["segments/s"]


def costs(once: Times, epoch: Times, epochs: int) -> list[dict]:
    """What is done once for a corpus or a fold, and what ten folds take."""
    one = sum(epoch[name] for name in ("steps", *OVERHEAD))
    fold = epochs * one + once["building and packing"] + once["test"]
    times = {**once, "an epoch": one, f"{FOLDS} folds of {epochs} epochs": FOLDS * fold}
    return [{"what": name, "seconds": seconds} for name, seconds in times.items()]


def main(argv: Sequence[str] | None = None) -> None:
    """Train two epochs, and tell of the second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=noise_corpus.UTTERANCES, help="of 5531")
    parser.add_argument("--epochs", type=int, default=20, help="until training stops early")
    results = Path(__file__).parent / "results"
    parser.add_argument("--training", type=Path, default=results / "training-cpu.json")
    asked = measurement.read_arguments(parser, argv, rounds=1)
    gpu = measurement.is_gpu(asked.device)
    asked.size = "paper" if gpu else "small"
    if asked.quick:
        asked.size, asked.utterances = "small", 80
    with tempfile.TemporaryDirectory() as folder:
        run, once, epoch = measure(Path(folder), asked)
    hours = float(np.sum([u.seconds for u in run.utterances])) / 3600
    batch_size = run.settings.values["batch_size"]
    step = None if asked.size == "paper" else paper_step(asked.training, batch_size)
    paper = at_papers_sizes(run, epoch, step) if step else None
    found = {
        "epoch": parts(epoch, paper),
        "folds": costs(once, paper or epoch, asked.epochs),
    }
    told = {"size": asked.size, "utterances": asked.utterances, "hours": hours}
    measurement.report(asked, found, **told, batch_size=batch_size, steps=epoch["num_steps"])


if __name__ == "__main__":
    main()
