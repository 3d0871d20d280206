"""What memory.py does in processes of their own; each imports only what it needs.

    python -m harness.memory_workloads preparation 1000 cpu

prints what the operating system, and torch on a GPU, say of the peak.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.subprocess_memory import MEGABYTE, peak_megabytes

SECONDS = 0.3  # of an utterance where their number is what grows
SMALLEST = ["--modalities=[wav2vec2]", "--fusion=concat"]


def preparation(folder: Path, size: float, device: str) -> None:
    """A corpus of ``size`` short utterances, prepared: checked, and its manifest written."""
    from harness import noise_corpus

    from camser.data.prepare import prepare

    audio = noise_corpus.write_corpus(folder / "corpus", [SECONDS] * round(size))
    prepare(noise_corpus.scan, audio, folder / "prepared", noise_corpus.EMOTIONS, {})


def building(folder: Path, size: float, device: str) -> None:
    """The same, and all else that a run does before its first step."""
    from harness import camser_model, noise_corpus

    audio = noise_corpus.write_corpus(folder / "corpus", [SECONDS] * round(size))
    camser_model.start("small", folder / "run", audio, noise_corpus.scan, device, *SMALLEST)


def batch(folder: Path, size: float, device: str) -> None:
    """Steps of training on ``size`` segments of 3 s."""
    train(folder, device, round(size), 3.0)


def segment(folder: Path, size: float, device: str) -> None:
    """Steps of training on 4 segments of ``size`` seconds."""
    train(folder, device, 4, size)


def train(folder: Path, device: str, batch_size: int, seconds: float) -> None:
    """Two steps of training."""
    from harness import camser_model, noise_corpus, training_epoch

    audio = noise_corpus.write_corpus(folder / "corpus", [seconds] * 10 * max(4, batch_size // 4))
    sizes = [f"--batch_size={batch_size}", f"--segment_seconds={seconds}", "--num_workers=0"]
    run = camser_model.start("small", folder / "run", audio, noise_corpus.scan, device, *sizes)
    training_epoch.Epochs(run)()


def recording(folder: Path, size: float, device: str) -> None:
    """One recording of ``size`` seconds, classified."""
    classify(folder, device, [size])


def files(folder: Path, size: float, device: str) -> None:
    """A folder of ``size`` recordings of 3 s, classified."""
    classify(folder, device, [3.0] * round(size))


def classify(folder: Path, device: str, lengths: Sequence[float]) -> None:
    """Recordings of these lengths, in seconds."""
    from harness import camser_model, noise_corpus

    from camser.inference import EmotionClassifier

    audio = noise_corpus.write_corpus(folder / "corpus", lengths)
    export = camser_model.write_export(folder / "export", "small")
    classifier = EmotionClassifier.from_pretrained(export, device=device)
    for _ in classifier.stream(sorted(audio.rglob("*.wav"))):
        pass


# What is done, what grows, and the sizes.
PARTS: Mapping[str, tuple[Callable, str, Sequence[float]]] = {
    "preparation": (preparation, "utterances", (100, 1000, 5000)),
    "building a run": (building, "utterances", (100, 1000, 5000)),
    "training, batch": (batch, "segments", (4, 16, 64)),
    "training, segment": (segment, "seconds", (1, 3, 6)),
    "inference, length": (recording, "seconds", (10, 100, 1000)),
    "inference, files": (files, "files", (4, 64, 512)),
}


def main() -> None:
    """Do what the command line names, and print its peak."""
    name, size, device = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        PARTS[name][0](Path(folder), float(size), device)
    found = {"peak MB": peak_megabytes()}
    if device != "cpu" and "torch" in sys.modules:
        import torch

        found["peak GPU MB"] = torch.cuda.max_memory_allocated(device) / MEGABYTE
    print(json.dumps(found))


if __name__ == "__main__":
    main()
