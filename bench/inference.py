#!/usr/bin/env python3
"""Inference: a 3-s clip and a folder of recordings, against what one would use instead.

    python bench/inference.py --output bench/results/inference-cpu.json

All weights are random and all wav2vec2 encoders are of the base size. From a file to a decision:
camser, by each engine that is here; the plain way (``plain_pytorch.py``); and two that are a
wav2vec2 encoder and a linear layer alone: transformers' audio-classification pipeline, and the
model of SpeechBrain's IEMOCAP recipe (its wav2vec2, the mean over frames, a linear layer).
"""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # transformers and SpeechBrain read it when imported

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile
import torch
from harness import camser_model, measurement, noise_corpus, plain_pytorch
from speechbrain.integrations.huggingface.wav2vec2 import Wav2Vec2
from speechbrain.nnet.pooling import StatisticsPooling
from torch import nn
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
    pipeline,
)

from camser.inference import EmotionClassifier

SECONDS = 3.0
Decide = Callable[[list[Path]], Any]


# The file that an engine runs, and what from_pretrained is told.
ENGINES: dict[str, tuple[str, dict[str, Any]]] = {
    "camser, torch": ("model.safetensors", {"engine": "torch"}),
    "camser, torch, compiled": ("model.safetensors", {"engine": "torch", "compile": True}),
    "camser, onnx": ("model.onnx", {"engine": "onnx"}),
    "camser, onnx, int8": ("model.int8.onnx", {"engine": "onnx-int8"}),
}


def camsers(folder: Path, asked: argparse.Namespace) -> dict[str, Decide]:
    """camser's inference by each engine that is here; ``folder`` gets an export.

    Left out are ONNX Runtime on a GPU, for which its usual package is not made, and, unless it is
    asked for, what takes minutes to compile.
    """
    on_gpu = measurement.is_gpu(asked.device)
    camser_model.write_export(folder, asked.size, onnx=not on_gpu)
    return {
        name: EmotionClassifier.from_pretrained(folder, device=asked.device, **options).classify
        for name, (file, options) in ENGINES.items()
        if (folder / file).is_file() and options.get("compile", False) <= asked.compiled
    }


def plain_way(size: str, device: str) -> Decide:
    """See ``plain_pytorch.py``; a recording after the other."""
    model = plain_pytorch.Plain(**camser_model.plain_sizes(size)).to(device).eval()
    return lambda paths: [plain_pytorch.classify(model, path, device) for path in paths]


def transformers_pipeline(config: Wav2Vec2Config, device: str) -> Decide:
    """transformers' own way from samples to labels, which takes arrays where there is no ffmpeg."""
    found = pipeline(
        "audio-classification",
        model=Wav2Vec2ForSequenceClassification(config).eval(),
        feature_extractor=Wav2Vec2FeatureExtractor(),
        device=device,
    )
    return lambda paths: found([soundfile.read(path, dtype="float32")[0] for path in paths])


class SpeechBrainEmotion(nn.Module):
    """The model of SpeechBrain's IEMOCAP recipe with wav2vec2."""

    def __init__(self, folder: Path, hidden_size: int) -> None:
        super().__init__()
        self.wav2vec2 = Wav2Vec2(str(folder), str(folder), output_norm=True, freeze=True)
        self.pool = StatisticsPooling(return_std=False)
        self.out = nn.Linear(hidden_size, 4, bias=False)

    @torch.inference_mode()
    def forward(self, path: Path) -> int:
        """The emotion of a recording."""
        samples, _ = soundfile.read(path, dtype="float32")
        waves = torch.from_numpy(samples).unsqueeze(0).to(self.out.weight.device)
        frames = self.wav2vec2(waves, torch.ones(1, device=waves.device))
        return int(self.out(self.pool(frames).squeeze(1)).argmax())


def speechbrains(folder: Path, config: Wav2Vec2Config, device: str) -> Decide:
    """It needs a folder such as the hub's: weights, configuration, preprocessor."""
    Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    model = SpeechBrainEmotion(folder, config.hidden_size).to(device).eval()
    return lambda paths: [model(path) for path in paths]


def candidates(folder: Path, asked: argparse.Namespace) -> dict[str, Decide]:
    """By name, what takes paths and gives decisions."""
    config = Wav2Vec2Config(num_labels=4, **camser_model.plain_sizes(asked.size)["wav2vec2"])
    return {
        **camsers(folder / "export", asked),
        "plain": plain_way(asked.size, asked.device),
        "transformers pipeline": transformers_pipeline(config, asked.device),
        "SpeechBrain": speechbrains(folder / "speechbrain", config, asked.device),
    }


def measure(folder: Path, asked: argparse.Namespace) -> dict[str, list[dict]]:
    """Both tables."""
    lengths = noise_corpus.iemocap_lengths(asked.files)
    noise_corpus.write_corpus(folder / "clip", [SECONDS])
    noise_corpus.write_corpus(folder / "folder", lengths)
    clip, files = (sorted((folder / n).rglob("*.wav")) for n in ("clip", "folder"))
    found = candidates(folder, asked)
    alone = {name: lambda decide=decide: decide(clip) for name, decide in found.items()}
    latency = measurement.rounds(alone, asked.rounds, asked.device, warm_ups=2)
    many = {name: lambda decide=decide: decide(files) for name, decide in found.items()}
    whole = measurement.rounds(many, max(1, asked.rounds // 5), asked.device)
    throughput = measurement.rows(whole, "plain")
    for row, seconds in zip(throughput, whole.values(), strict=True):
        row["files/s"] = len(files) / median(seconds)
        row["real-time factor"] = median(seconds) / float(np.sum(lengths))
    clips = measurement.rows(latency, "plain")
    for row, speed in zip(clips, measurement.ratios(latency, "plain").values(), strict=True):
        del row["times as fast as plain"]
        row["of plain's time"] = 1 / speed
        row["real-time factor"] = row["median ms"] / 1000 / SECONDS
    return {"clip": clips, "folder": throughput}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure a clip, then a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=16, help="in the folder")
    parser.add_argument("--no-compiled", dest="compiled", action="store_false")
    asked = measurement.read_arguments(parser, argv, rounds=15)
    asked.size = "paper"
    if asked.quick:
        asked.size, asked.files, asked.rounds, asked.compiled = "small", 3, 2, False
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), asked)
    measurement.report(asked, found, size=asked.size, files=asked.files)


if __name__ == "__main__":
    main()
