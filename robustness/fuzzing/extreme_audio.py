#!/usr/bin/env python3
"""Sounds at the limits of what a number can be: trained on, classified, exported, without a NaN."""

from __future__ import annotations

import argparse
import logging
import math
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
from iemocap_prepare import scan
from speechbrain.core import Stage

from camser.audio import AudioError
from camser.config.settings import read_arguments
from camser.data.dataset import Batch
from camser.data.synthetic import synthesize_corpus
from camser.evaluation.results import read_history, read_predictions
from camser.experiment.run import Run
from camser.export.export_run import export_run
from camser.inference import EmotionClassifier
from robustness.harness import report
from robustness.harness.report import ROOT, Tally

RATE = 16000
SYSTEMS = {  # modalities, fusion and more; each encoder and each fusion at least twice
    "mfcc, concat of statistics": ["mfcc", "concat", "--encoders={mfcc: {pooling: statistics}}"],
    "spectrogram, attentive statistics": [
        "spectrogram", "attentive", "--fusions={attentive: {statistics: true}}",
    ],
    "wav2vec2, gated": ["wav2vec2", "gated", "--encoders={wav2vec2: {pooling: statistics}}"],
    "MFCC and whisper, low_rank": [
        "mfcc, whisper", "low_rank", "--encoders={whisper: {standardize: true}}",
    ],
    "the paper's": ["mfcc, spectrogram, wav2vec2", "co_attention"],
    "all, softmax co-attention": [
        "mfcc, spectrogram, whisper", "co_attention",
        "--fusions={co_attention: {target: whisper, activation: softmax}}",
    ],
    "all, concat": ["mfcc, spectrogram, wav2vec2, whisper", "concat"],
    "all, gated": ["mfcc, spectrogram, wav2vec2, whisper", "gated"],
    "all, attentive": ["mfcc, spectrogram, wav2vec2, whisper", "attentive"],
    "all, low_rank": ["mfcc, spectrogram, wav2vec2, whisper", "low_rank"],
}  # fmt: skip


def sounds(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Samples by what is extreme about them."""
    time = np.arange(2 * RATE) / RATE
    speech = 0.2 * np.sin(2 * np.pi * 200 * time) * (1 + np.sin(2 * np.pi * 3 * time))
    loud = np.where(np.sin(2 * np.pi * 150 * time) > 0, 1.0, -1.0)
    impulse = np.zeros(2 * RATE)
    impulse[RATE] = 1.0
    found = {
        "silence": np.zeros(2 * RATE),
        "full-scale clipping": loud,
        "an offset": 0.9 + 0.1 * speech,
        "a constant": np.full(2 * RATE, 0.5),
        "full scale throughout": np.full(2 * RATE, -1.0),
        "the smallest step of 16 bits": np.where(rng.random(2 * RATE) > 0.5, 2.0**-15, 0.0),
        "denormal numbers": np.full(2 * RATE, 1e-40),
        "one impulse": impulse,
        "white noise at full scale": rng.uniform(-1, 1, 2 * RATE),
        "one sample": np.full(1, 0.5),
        "one frame of 25 ms": speech[:400],
        "a sample more than a segment": np.tile(speech, 2)[: 3 * RATE + 1],
        "five minutes": np.tile(speech, 150),
    }
    return {name: samples.astype(np.float32) for name, samples in found.items()}


def write(samples: np.ndarray, path: Path) -> Path:
    """As a file of floats, which hold what 16 bits cannot."""
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def spoil(corpus: Path, found: dict[str, np.ndarray]) -> None:
    """Give each kind in turn to the turns of a corpus, whose labels then mean nothing."""
    usable = [samples for samples in found.values() if len(samples) < 60 * RATE]
    files = sorted(corpus.rglob("sentences/wav/*/[!.]*.wav"))
    for number, path in enumerate(files):
        write(usable[number % len(usable)], path)


def train(work: Path, name: str, more: list[str]) -> Run:
    """A run of a system on the spoilt corpus, to its end."""
    modalities, fusion, *options = more
    folder = work / name.replace(" ", "-").replace("'", "").replace(",", "")
    paths = [
        f"--data_folder={work / 'corpus'}", f"--output_folder={folder}",
        f"--prepared_folder={work / 'prepared'}", f"--modalities=[{modalities}]",
        f"--fusion={fusion}", "--device=cpu", "--noprogressbar", "--num_attention_examples=0",
    ]  # fmt: skip
    recipe = str(ROOT / "tests/hparams/tiny.yaml")
    run = Run(read_arguments([recipe, *paths, *options]), scan)
    run.train()
    run.test()
    return run


def not_finite_of_run(run: Run) -> str:
    """What is not finite of a run's weights, losses and predictions, or was skipped; "" if none."""
    (row,) = read_history(run.output_folder)
    if row["skipped_steps"] != "0":
        return f"{row['skipped_steps']} steps skipped"
    wrong = [key for key in ("train_loss", "valid_loss") if not math.isfinite(float(row[key]))]
    wrong += [n for n, p in run.brain.modules.state_dict().items() if not bool(p.isfinite().all())]
    rows = read_predictions(run.output_folder / "predictions.csv")
    labels = run.settings.values["labels"]
    wrong += [r["id"] for r in rows if not all(math.isfinite(float(r[name])) for name in labels)]
    return ", ".join(wrong)


def not_finite_of_step(run: Run, samples: np.ndarray) -> str:
    """What is not finite in a step on a batch of this sound alone; "" if nothing."""
    brain, model = run.brain, run.hparams["embedding_model"]
    size = model.segment_samples
    wave = np.zeros(1 + size, np.float32)  # nothing is before it
    wave[1 : 1 + min(size, len(samples))] = samples[:size]
    waves = torch.from_numpy(wave).repeat(4, 1)
    of_cached = {n: model.encoders[n] for n in run.data.cached}
    cached = {
        n: e.cacheable_output(model.preemphasized(waves, e.preemphasis))
        for n, e in of_cached.items()
    }
    owner, label, num_samples = torch.zeros(4).long(), torch.arange(4), torch.full((4,), size)
    batch = Batch(["x"] * 4, owner, label, waves, cached, num_samples)
    brain.modules.train()
    brain.modules.zero_grad()
    loss = brain.compute_objectives(brain.compute_forward(batch, Stage.TRAIN), batch, Stage.TRAIN)
    loss.backward()
    wrong = [] if bool(loss.isfinite()) else ["loss"]
    for name, p in brain.modules.named_parameters():
        if p.grad is not None and not bool(p.grad.isfinite().all()):
            wrong.append(name)
    brain.modules.zero_grad(set_to_none=True)
    return ", ".join(wrong)


def answers(model: EmotionClassifier, path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Probabilities of a file, as a whole and along it."""
    yield "classified", np.array(list(model.classify(str(path)).probabilities.values()))
    yield "timeline", model.timeline(str(path), window=1.0, hop=0.5).probabilities


def check(tally: Tally, fault: str, system: str, wrong: str, well: str) -> None:
    """Count a finite result, or a loss."""
    if wrong:
        tally.lose(fault, f"not finite: {wrong[:300]}", f"system: {system}")
    else:
        tally.add(fault, well)


def run(asked: argparse.Namespace, tally: Tally) -> None:
    """Train, step on each sound alone, and let each engine answer: ``number`` systems."""
    torch.set_num_threads(1)
    found = sounds(np.random.default_rng(asked.seed))
    work = Path(tempfile.mkdtemp(prefix="camser-numbers-"))
    files = {name: write(samples, work / f"{name}.wav") for name, samples in found.items()}
    synthesize_corpus(work / "corpus", 2, 8, mean_seconds=0.5, seed=asked.seed)
    spoil(work / "corpus", found)
    try:
        for system, more in list(SYSTEMS.items())[: asked.number]:
            trained = train(work, system, more)
            wrong = not_finite_of_run(trained)
            check(tally, "a corpus of all of these", system, wrong, "trained and tested")
            export = export_run(trained.output_folder, work / "export", replace=True, onnx=True)
            models = [EmotionClassifier.from_pretrained(export, "cpu", engine=e) for e in ENGINES]
            for fault, samples in found.items():
                wrong = not_finite_of_step(trained, samples)
                check(tally, fault, system, wrong, "a step on it alone")
                for engine, model in zip(ENGINES, models, strict=True):
                    try_engine(tally, fault, f"{system}, {engine}", model, files[fault])
            logging.getLogger().handlers.clear()
    finally:
        shutil.rmtree(work)


ENGINES = ("torch", "onnx")


def try_engine(tally: Tally, fault: str, system: str, model: EmotionClassifier, path: Path) -> None:
    """One engine's answers to one file."""
    try:
        for what, values in answers(model, path):
            sums = np.abs(values.sum(axis=-1) - 1).max()
            fine = bool(np.isfinite(values).all()) and sums < 1e-4
            check(tally, fault, system, "" if fine else f"{what}: {values}", what)
    except AudioError as error:
        tally.add(fault, f"refused: {str(error).split(': ', 1)[-1][:60]}")


if __name__ == "__main__":
    report.main(run, number=len(SYSTEMS))
