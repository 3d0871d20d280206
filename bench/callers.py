#!/usr/bin/env python3
"""A classifier in threads, processes, Ray's actors and a web service: equal answers, flat memory.

    python bench/callers.py --output bench/results/callers-cpu.json

Each classifies the same recordings; the answers must be those of one call after the other. Memory
is that of the process that grows most after its first recordings. Needs camser[demo,ray].
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import ray
import requests
from fastapi import FastAPI, UploadFile
from harness import camser_model, measurement, noise_corpus
from harness.subprocess_memory import resident_megabytes
from ray.util import ActorPool

from camser.cli.demo.server import listening
from camser.inference import EmotionClassifier

FILES, FIRST = 1000, 200
SHORTEST, LONGEST = 0.5, 2.5  # seconds
LIMIT = 25  # MB that a process may grow after the first files
DIFFERENCE = 1e-6  # of a probability
THREADS, PROCESSES, ACTORS = 8, 4, 2


class Answer(NamedTuple):
    """The probabilities of a recording, and the process that gave them with its memory, in MB."""

    probabilities: list[float]
    process: int
    memory: float


def answer(classifier: EmotionClassifier, recording: str | BinaryIO) -> Answer:
    """Classify a recording in this process."""
    probabilities = classifier.classify(recording).probabilities
    return Answer(list(probabilities.values()), os.getpid(), resident_megabytes())


class Worker:
    """A classifier of one's own in each process, which arrived pickled."""

    current: Worker

    def __init__(self, classifier: EmotionClassifier) -> None:
        self.classifier = classifier

    def answer(self, recording: str) -> Answer:
        """See ``answer``."""
        return answer(self.classifier, recording)


def _start(classifier: EmotionClassifier) -> None:
    Worker.current = Worker(classifier)


def _answer(recording: str) -> Answer:
    return Worker.current.answer(recording)


def one_by_one(classifier: EmotionClassifier, files: Sequence[str]) -> Iterator[Answer]:
    """In a loop."""
    return (answer(classifier, file) for file in files)


def threads(classifier: EmotionClassifier, files: Sequence[str]) -> Iterator[Answer]:
    """In threads that share the classifier."""
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(lambda file: answer(classifier, file), files)


def processes(classifier: EmotionClassifier, files: Sequence[str]) -> Iterator[Answer]:
    """In spawned processes."""
    context = multiprocessing.get_context("spawn")
    started = {"mp_context": context, "initializer": _start, "initargs": (classifier,)}
    with ProcessPoolExecutor(PROCESSES, **started) as pool:
        yield from pool.map(_answer, files)


def actors(classifier: EmotionClassifier, files: Sequence[str]) -> Iterator[Answer]:
    """In Ray's actors."""
    ray.init(num_cpus=ACTORS, include_dashboard=False, log_to_driver=False)
    sent = ray.put(classifier)
    pool = ActorPool([ray.remote(Worker).remote(sent) for _ in range(ACTORS)])
    yield from pool.map(lambda actor, file: actor.answer.remote(file), files)
    ray.shutdown()


def uploads(classifier: EmotionClassifier, files: Sequence[str]) -> Iterator[Answer]:
    """In a service of FastAPI, which gets uploads from as many threads as ``threads``."""
    app = FastAPI()

    @app.post("/classify")
    def classify(recording: UploadFile) -> Answer:
        return answer(classifier, recording.file)

    def upload(file: str) -> Answer:
        with open(file, "rb") as content:
            response = requests.post(f"{address}classify", files={"recording": content})
        response.raise_for_status()
        return Answer(*response.json())

    with listening(app, "127.0.0.1", 0) as address, ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(upload, files)


CALLERS = {
    "one by one": one_by_one,
    f"{THREADS} threads": threads,
    f"{PROCESSES} spawned processes": processes,
    f"{ACTORS} Ray actors": actors,
    f"FastAPI, {THREADS} uploads at once": uploads,
}


def growth(answers: Sequence[Answer], first: int) -> tuple[float, float]:
    """Of the process that grows most: MB after its part of the first files, and at most after."""
    before: dict[int, float] = {}
    after: dict[int, float] = defaultdict(float)
    for number, (_, process, memory) in enumerate(answers):
        if number < first:
            before[process] = max(memory, before.get(process, 0))
        else:
            after[process] = max(memory, after[process])
    return max(
        ((mb, max(mb, after[process])) for process, mb in before.items()),
        key=lambda pair: pair[1] - pair[0],
    )


def measured(
    name: str, call: Callable, classifier: EmotionClassifier, files: Sequence[str], first: int
) -> tuple[dict[str, Any], np.ndarray]:
    """The row of one caller, and its probabilities, [files, classes]."""
    start = time.perf_counter()
    answers = list(call(classifier, files))
    seconds = time.perf_counter() - start
    before, after = growth(answers, first)
    row = {
        "caller": name,
        "files": len(answers),
        "processes": len({answer.process for answer in answers}),
        "seconds": seconds,
        "MB after the first": before,
        "MB at most after": after,
    }
    return row, np.array([answer.probabilities for answer in answers])


def main(argv: Sequence[str] | None = None) -> None:
    """Measure; another answer, or memory that grows, is an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked = measurement.read_arguments(parser, argv, rounds=1)
    number, first = (40, 20) if asked.quick else (FILES, FIRST)
    lengths = np.random.default_rng(0).uniform(SHORTEST, LONGEST, number)
    rows, expected = [], None
    with tempfile.TemporaryDirectory() as folder:
        export = camser_model.write_export(Path(folder) / "export", "small")
        corpus = noise_corpus.write_corpus(Path(folder) / "corpus", lengths)
        files = sorted(map(str, corpus.rglob("*.wav")))
        classifier = EmotionClassifier.from_pretrained(export, asked.device, threads=1)
        for name, call in CALLERS.items():
            row, found = measured(name, call, classifier, files, first)
            expected = found if expected is None else expected
            row["largest difference"] = float(np.abs(found - expected).max())
            rows.append(row)
    measurement.report(asked, {"callers": rows}, first=first)
    for row in rows:
        if row["largest difference"] > DIFFERENCE:
            sys.exit(f"{row['caller']}: other probabilities than one by one")
        if (grown := row["MB at most after"] - row["MB after the first"]) > LIMIT:
            sys.exit(f"{row['caller']}: grew by {grown:.0f} MB; allowed: {LIMIT}")


if __name__ == "__main__":
    main()
