#!/usr/bin/env python3
"""The parts of gpu_profile.py, each for a process of its own.

python bench/harness/profile_parts.py step --device cuda --output step.json
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from harness import camser_model, measurement, noise_corpus
from harness.training_epoch import training_loader
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from camser.evaluation.results import read_results
from camser.model import UtteranceEncoder
from camser.training.brain import EmotionBrain

ROOT = Path(__file__).parents[2]
SKIPPED, COUNTED = 5, 20  # steps: in the first, what is compiled and tuned is compiled and tuned
BATCHES = (64, 128, 256)
SYNTHETIC = ("recipes/IEMOCAP/train.py", "hparams/small.yaml")
Rows = Iterator[dict[str, Any]]


# (a) The tests ------------------------------------------------------------------------------


def tests(folder: Path, asked: argparse.Namespace) -> Rows:
    """Those that need a GPU, one row each that did not pass, and one for all."""
    path = folder / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "tests", f"--junitxml={path}"]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    suite = xml.etree.ElementTree.parse(path).getroot()[0]
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    passed = counts["tests"] - sum(counts[n] for n in ("failures", "errors", "skipped"))
    yield {"test": "all", "passed": passed, **counts, "message": None}
    for case in suite.iter("testcase"):
        for kind in ("failure", "error"):
            if (found := case.find(kind)) is not None:
                yield {"test": case.get("name"), kind + "s": 1, "message": found.get("message")}


# (b) and (c) Steps at the paper's sizes -------------------------------------------------------


def started(folder: Path, asked: argparse.Namespace, *overrides: str) -> tuple[EmotionBrain, Any]:
    """A Brain of the recipe that is ready to step, and one batch of its own."""
    size, batch_size = ("small", 8) if asked.quick else ("paper", asked.batch_size)
    audio = folder / "corpus"
    if not audio.is_dir():
        noise_corpus.write_corpus(audio, [3.0] * max(80, 10 * batch_size // 4))
    where = folder / f"run{time.monotonic_ns()}"
    options = [f"--batch_size={batch_size}", *overrides]
    run = camser_model.start(size, where, audio, noise_corpus.scan, asked.device, *options)
    loader = training_loader(run)
    run.brain.modules.train()
    run.brain.avg_train_loss = 0.0
    return run.brain, next(iter(loader)).to(run.brain.device)


def take(brain: EmotionBrain, batch: Any, steps: int) -> None:
    """So many steps, all on one batch: what is measured is not the data."""
    for _ in range(steps):
        brain.step += 1
        brain.fit_batch(batch)


def milliseconds(brain: EmotionBrain, batch: Any, steps: int) -> float:
    """Of one step, by the device's own clock where it has one."""
    if not measurement.is_gpu(brain.device):
        return 1000 * measurement.timed(lambda: take(brain, batch, steps))[1] / steps
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    take(brain, batch, steps)
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / steps


def step(folder: Path, asked: argparse.Namespace) -> Rows:
    """Where the device's time goes in a step, kernel by kernel."""
    brain, batch = started(folder, asked)
    take(brain, batch, asked.skipped)
    on_gpu = measurement.is_gpu(asked.device)
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    plain = milliseconds(brain, batch, asked.counted)
    with profile(activities=kinds) as profiler:
        take(brain, batch, asked.counted)
        measurement.synchronize(asked.device)
    spent = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    found = [(getattr(e, spent) / 1000, e) for e in profiler.key_averages()]
    whole = sum(ms for ms, _ in found)
    yield {"kernel": "a step, without the profiler", "calls a step": 1, "ms a step": plain}
    for ms, event in sorted(found, key=lambda pair: -pair[0])[:30]:
        yield {
            "kernel": event.key[:100],
            "calls a step": event.count / asked.counted,
            "ms a step": ms / asked.counted,
            "%": 100 * ms / whole,
        }


@contextlib.contextmanager
def tuned_convolutions(model: UtteranceEncoder) -> Iterator[None]:
    """cuDNN tries its algorithms, and takes the fastest."""
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = False


@contextlib.contextmanager
def side_stream(model: UtteranceEncoder) -> Iterator[None]:
    """The first encoder, whose LSTM leaves most of a GPU idle, runs beside the others."""
    (beside, lstm), *others = model.encoders.items()
    on_gpu = next(lstm.parameters()).is_cuda
    stream = torch.cuda.Stream() if on_gpu else None

    def encode(
        segments: Tensor | None, cached: Mapping[str, Tensor] | None = None, *unused: Any
    ) -> dict[str, Tensor]:
        cached = cached or {}
        computed = [encoder for name, encoder in model.encoders.items() if name not in cached]
        coefficients = {encoder.preemphasis for encoder in computed}
        filtered = {c: model.preemphasized(segments, c) for c in coefficients}

        def one(name: str, encoder: Any) -> Tensor:
            if name in cached:
                return encoder.from_cache(cached[name])
            return encoder(filtered[encoder.preemphasis])

        if stream is None:
            return {name: one(name, encoder) for name, encoder in model.encoders.items()}
        here = torch.cuda.current_stream()
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            frames = one(beside, lstm)
        found = {name: one(name, encoder) for name, encoder in others}
        here.wait_stream(stream)
        frames.record_stream(here)
        return {beside: frames, **found}

    model.encode = encode
    try:
        yield
    finally:
        del model.encode


@contextlib.contextmanager
def channels_last(model: UtteranceEncoder) -> Iterator[None]:
    """AlexNet's maps lie with their channels together, as tensor cores read them."""
    model.encoders["spectrogram"].to(memory_format=torch.channels_last)
    yield


@contextlib.contextmanager
def wrapped_frame(model: UtteranceEncoder) -> Iterator[None]:
    """torch.compile takes the hooks of a module into its graph."""
    with torch._dynamo.config.patch(wrap_top_frame=True):
        yield


SWITCHES: Mapping[str, Callable] = {
    "none": contextlib.nullcontext,
    "cudnn.benchmark": tuned_convolutions,
    "BiLSTM on a side stream": side_stream,
    "channels-last convolutions": channels_last,
    "wrap_top_frame": wrapped_frame,
}


def switches(folder: Path, asked: argparse.Namespace) -> Rows:
    """A step with each of what may help, each against the step without."""
    without = None
    for name, switch in SWITCHES.items():
        if name == "wrap_top_frame" and not hasattr(torch._dynamo.config, name):
            continue
        brain, batch = started(folder, asked)
        torch._dynamo.reset()
        with switch(brain.modules.embedding_model):
            take(brain, batch, asked.skipped)
            ms = milliseconds(brain, batch, asked.counted)
        without = without or ms
        yield {"switch": name, "ms a step": ms, "of the step without": ms / without}


# (d) to (g) -----------------------------------------------------------------------------------


def plain(folder: Path, asked: argparse.Namespace) -> Rows:
    """The plain way's step, with its own loader."""
    from training import PlainEpochs, plain_segments

    size, batch_size = ("small", 8) if asked.quick else ("paper", asked.batch_size)
    steps = 2 + asked.counted // 4
    audio = noise_corpus.write_corpus(
        folder / "corpus", [3.0] * max(80, batch_size * steps * 10 // 8)
    )
    run = camser_model.start(size, folder / "run", audio, noise_corpus.scan, asked.device)
    told = argparse.Namespace(
        device=asked.device, batch_size=batch_size, workers=torch.get_num_threads(), skip=2
    )
    for precision in ("highest", "high"):
        seconds = PlainEpochs(size, plain_segments(run, audio), told, precision)()
        yield {"float32 products": precision, "ms a step": 1000 * seconds}


def features(folder: Path, asked: argparse.Namespace) -> Rows:
    """The front ends against librosa's."""
    import json

    path = folder / "features.json"
    command = [sys.executable, ROOT / "bench/features.py", "--output", path]
    command += ["--device", asked.device, "--rounds", "3", *(["--quick"] if asked.quick else [])]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    yield from json.loads(path.read_text(encoding="utf-8"))["tables"]["features"]


def memory(folder: Path, asked: argparse.Namespace) -> Rows:
    """The most of a GPU's memory that training at the paper's sizes takes."""
    for batch_size in (8, 16) if asked.quick else BATCHES:
        row: dict[str, Any] = {"batch": batch_size}
        asked.batch_size = batch_size
        try:
            brain, batch = started(folder / str(batch_size), asked)
            take(brain, batch, 2)
            if measurement.is_gpu(asked.device):
                row["peak GB"] = torch.cuda.max_memory_allocated() / measurement.GIGABYTE
                torch.cuda.reset_peak_memory_stats()
            yield {**row, "fits": "yes"}
            del brain, batch
        except ValueError as error:  # NoMemoryError says which batch would do
            yield {**row, "fits": str(error)}


def fold(folder: Path, asked: argparse.Namespace) -> Rows:
    """One fold from its preparation to its results, as a user starts it."""
    script, arguments = asked.fold or SYNTHETIC
    command = [sys.executable, ROOT / script, *shlex.split(arguments)]
    if not asked.fold:
        from camser.data.synthetic import synthesize_corpus

        synthesize_corpus(folder / "corpus", 2, 8, mean_seconds=0.8)
        command += [f"--data_folder={folder / 'corpus'}", "--number_of_epochs=2"]
    where = [f"--output_folder={folder / 'run'}", f"--prepared_folder={folder / 'prepared'}"]
    command += [*where, f"--device={asked.device}", "--noprogressbar"]
    began = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    found = read_results(folder / "run" / "results.json")
    told = ("corpus", "fold_name", "WA", "UA", "num_utterances", "epochs", "best_epoch")
    yield {
        **{name: found[name] for name in told},
        "seconds an epoch": found["seconds"] / found["epochs"],
        "seconds in all": time.monotonic() - began,
    }


PARTS: Mapping[str, Callable[[Path, argparse.Namespace], Rows]] = {
    "tests": tests, "step": step, "switches": switches, "plain": plain, "features": features,
    "memory": memory, "fold": fold,
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Run one part; its file is written again for each row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--fold", nargs=2, metavar=("TRAIN_PY", "ARGUMENTS"))
    asked = measurement.read_arguments(parser, argv, rounds=1)
    asked.skipped, asked.counted = (1, 2) if asked.quick else (SKIPPED, COUNTED)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for row in PARTS[asked.part](Path(folder), asked):
            rows.append(row)
            measurement.write(asked, {asked.part: rows}, batch_size=asked.batch_size)


if __name__ == "__main__":
    main()
