#!/usr/bin/env python3
"""Training at the paper's sizes: camser's own loop against the plain way, and where a step goes.

    python bench/training.py --output bench/results/training-cpu.json
    python bench/training.py --device cuda --output bench/results/training-gpu.json

Each round trains an epoch of each; its first steps, in which workers wake up, do not count. The
arithmetic of the model is counted for one segment forward (matrix products, convolutions,
attention, LSTM) and taken three times for training, as is usual.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
from features import FrontEnds
from harness import camser_model, measurement, noise_corpus, plain_pytorch
from harness.flops import forward_flops
from harness.training_epoch import Clock, Epochs

from camser.experiment.run import Run

SECONDS = 3.0
# What is measured of camser, by what the command line would say: the options one by one on a GPU.
OPTIONS = {
    "cpu": {"camser": {}},
    "cuda": {
        "camser, eager, TF32": {"compiled": "false", "precision": "fp32"},
        "camser, eager, bf16": {"compiled": "false", "precision": "bf16"},
        "camser": {},  # the recipe's own settings: compiled too
    },
}


class PlainEpochs:
    """The plain way, an epoch at each call; the same clock as camser's.

    ``precision`` is that of float32's matrix products: torch's own default is "highest", and
    SpeechBrain, for all that runs beside it, "high" (TF32 on a GPU).
    """

    def __init__(
        self, size: str, segments: Sequence, asked: argparse.Namespace, precision: str = "highest"
    ) -> None:
        self.precision = precision
        self.device, pinned = asked.device, asked.device != "cpu"
        self.model = plain_pytorch.Plain(**camser_model.plain_sizes(size)).to(self.device).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5)
        self.loader = plain_pytorch.loader(segments, asked.batch_size, asked.workers, pinned)
        self.clock = Clock(plain_pytorch.step, self.device, asked.skip)

    def __call__(self) -> float:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(self.precision)
        self.clock.begin()
        for batch in self.loader:
            self.clock(self.model, self.optimizer, batch, self.device)
        torch.set_float32_matmul_precision(before)
        return self.clock.seconds_a_call()


def plain_segments(run: Run, folder: Path) -> list[tuple[Path, float, int]]:
    """The same segments as the run trains on; each utterance is one."""
    labels = run.settings.values["labels"]
    return [(folder / u.path, 0.0, labels.index(u.emotion)) for u in run.fold.train]


def parts_of_a_step(epochs: Epochs, asked: argparse.Namespace, step: float) -> list[dict]:
    """Seconds of what is not the model, and of the BiLSTM, apart, beside a whole step."""
    brain, device = epochs.brain, asked.device
    model = brain.modules.embedding_model
    waves = torch.randn(asked.batch_size, round(SECONDS * 16000), device=device)
    front, lstm = FrontEnds(device), model.encoders["mfcc"]
    frames = torch.randn(asked.batch_size, 300, 40, device=device)
    data = Clock(lambda batch: batch.to(device), device, skip=1)

    def read() -> float:
        data.begin()
        for batch in epochs.loader:
            data(batch)
        return data.seconds_a_call()

    def recur() -> None:
        with brain.training_ctx:
            lstm.back_end(frames).sum().backward()

    parts: dict[str, Callable] = {
        "data": read,
        "spectrogram": lambda: front.picture(waves),
        "MFCC": lambda: front.coefficients(waves),
        "BiLSTM, forward and backward": recur,
    }
    times = measurement.rounds(parts, max(3, asked.rounds), device)
    brain.zero_grad(set_to_none=True)
    shares = {name: median(seconds) / step for name, seconds in times.items()}
    if brain.hparams.cache_features:
        shares["MFCC"] = 0.0  # it was computed once, for all epochs
    shares["data and features"] = shares["data"] + shares["spectrogram"] + shares["MFCC"]
    return [
        {
            "part": name,
            "median ms": 1000 * median(times[name]) if name in times else None,
            "% of the step": 100 * share,
        }
        for name, share in shares.items()
    ]


def candidates(folder: Path, asked: argparse.Namespace) -> dict[str, Callable]:
    """camser with each set of options, and the plain way, on the same segments."""
    # Eight speakers of ten are trained on; each needs four utterances, one an emotion.
    per_speaker = (asked.skip + asked.steps) * asked.batch_size // 8
    audio = noise_corpus.write_corpus(folder / "corpus", [SECONDS] * (10 * per_speaker))
    found: dict[str, Callable] = {}
    for name, options in OPTIONS[torch.device(asked.device).type].items():
        options = {"batch_size": asked.batch_size, **options}
        overrides = [f"--{key}={value}" for key, value in options.items()]
        where = folder / str(len(found))
        run = camser_model.start(
            asked.size, where, audio, noise_corpus.scan, asked.device, *overrides
        )
        found[name] = Epochs(run, asked.skip)
    segments = plain_segments(run, audio)
    found["plain"] = PlainEpochs(asked.size, segments, asked)
    if measurement.is_gpu(asked.device):
        found["plain, TF32"] = PlainEpochs(asked.size, segments, asked, "high")
    modules = run.brain.modules
    plain_pytorch.check_same_size(found["plain"].model, modules.embedding_model, modules.classifier)
    return found


def measure(folder: Path, asked: argparse.Namespace) -> dict[str, list[dict]]:
    """Both tables."""
    parts = camser_model.modules(asked.size)
    flops = forward_flops(*parts.values())
    asked.forward_gflop = flops / 1e9
    found = candidates(folder, asked)
    times = measurement.rounds(found, asked.rounds, asked.device)
    rows = measurement.rows(times, "plain")
    for row, seconds in zip(rows, times.values(), strict=True):
        row["segments/s"] = asked.batch_size / median(seconds)
        row["TFLOP/s"] = 3 * flops * row["segments/s"] / 1e12
    step = median(times["camser"])
    return {"step": rows, "parts": parts_of_a_step(found["camser"], asked, step)}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure a step, and its parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch_size", type=int, help="by default 64 on a GPU, 8 elsewhere")
    parser.add_argument("--steps", type=int, help="a round's; by default 40 on a GPU, 3 elsewhere")
    parser.add_argument("--skip", type=int, help="not counted; by default 5 on a GPU, 1 elsewhere")
    workers = torch.get_num_threads()  # one a core, the most that helps
    parser.add_argument("--workers", type=int, default=workers, help="of the plain way's loader")
    asked = measurement.read_arguments(parser, argv, rounds=3)
    gpu, asked.size = measurement.is_gpu(asked.device), "paper"
    usual = {"batch_size": (8, 64), "steps": (3, 40), "skip": (1, 5)}
    for name, values in usual.items():
        if getattr(asked, name) is None:
            setattr(asked, name, values[gpu])
    if asked.quick:
        asked.size, asked.rounds, asked.batch_size, asked.steps = "small", 2, 16, 1
    if asked.batch_size % 8 or (asked.skip + asked.steps) * asked.batch_size < 32:
        parser.error("batch_size must be a multiple of 8, and all steps see 32 segments or more")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), asked)
    told = ("size", "batch_size", "steps", "skip", "workers", "forward_gflop")
    measurement.report(asked, found, **{name: getattr(asked, name) for name in told})


if __name__ == "__main__":
    main()
