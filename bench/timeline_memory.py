#!/usr/bin/env python3
"""Does a timeline of two hours need more memory than one of ten seconds?

    python bench/timeline_memory.py --output bench/results/timeline_memory.json

Each recording is analysed in a process of its own, whose peak memory the operating system tells.
The model has the paper's composition at small sizes and random weights (``--model DIR`` takes an
export in its place): what is measured is what grows with the recording's length.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

MEGABYTE = 2**20
LIMIT = 200  # MB that the longest may need above the shortest
SMALL = {
    "modalities": ["mfcc", "spectrogram", "wav2vec2"],
    "encoders": {
        "mfcc": {"plugin": "mfcc_bilstm", "hidden_size": 8, "num_layers": 1},
        "spectrogram": {"plugin": "spectrogram_alexnet", "weights": None},
        "wav2vec2": {
            "plugin": "wav2vec2",
            "config": {
                "model_type": "wav2vec2",
                "hidden_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 32,
                "conv_dim": [8] * 7,
                "num_conv_pos_embeddings": 16,
                "num_conv_pos_embedding_groups": 2,
            },
        },
    },
    "fusion": "co_attention",
    "fusions": {
        "co_attention": {
            "plugin": "co_attention",
            "guides": ["mfcc", "spectrogram"],
            "target": "wav2vec2",
        }
    },
    "segment_seconds": 3.0,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="an export; a small random one by default")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 7200])
    parser.add_argument("--rate", type=int, default=44100)
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--hop", type=float, default=1.0)
    parser.add_argument("--output", help="a JSON file")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.measure:
        return measure(arguments.model, arguments.measure, arguments.hop)
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or write_model(Path(folder) / "model")
        rows = []
        for seconds in arguments.seconds:
            path = Path(folder) / f"{seconds:g}.flac"
            write_recording(path, seconds, arguments.rate, arguments.channels)
            rows.append({"file_megabytes": path.stat().st_size / MEGABYTE})
            rows[-1] |= in_a_process(model, path, arguments.hop)
            print_row(rows[-1])
    grown = rows[-1]["peak_megabytes"] - rows[0]["peak_megabytes"]
    print(f"the longest needs {grown:.0f} MB more than the shortest; allowed: {LIMIT}")
    if arguments.output:
        from camser.files import replacing

        settings = {name: getattr(arguments, name) for name in ("rate", "channels", "hop")}
        with replacing(arguments.output) as file:
            json.dump({**settings, "grown_megabytes": grown, "recordings": rows}, file, indent=2)
            file.write("\n")
    if grown > LIMIT:
        sys.exit("too much")


def write_model(folder: Path) -> Path:
    """An export with random weights."""
    from camser.build import build_model
    from camser.inference.folder import FORMAT, write
    from camser.model import EmotionHead

    labels = ["angry", "sad", "happy", "neutral"]
    model = build_model(**SMALL)
    folder.mkdir()
    config = {
        "model_type": "camser",
        "format": FORMAT,
        "labels": labels,
        "sample_rate": 16000,
        "temperature": 1.0,
        "architecture": model.architecture,
        "plugins": {},
    }
    head = EmotionHead(model.embedding_size, len(labels))
    write(folder, config, {"embedding_model": model, "classifier": head})
    return folder


def write_recording(path: Path, seconds: float, rate: int, channels: int) -> None:
    """Noise whose loudness comes and goes, written a second at a time."""
    import soundfile

    rng, left = np.random.default_rng(0), round(seconds * rate)
    with soundfile.SoundFile(path, "w", rate, channels, subtype="PCM_16") as file:
        while left > 0:
            count = min(left, rate)
            file.write(rng.uniform(0, 0.3) * rng.uniform(-1, 1, size=(count, channels)))
            left -= count


def in_a_process(model: str | Path, path: Path, hop: float) -> dict:
    """What ``measure`` prints."""
    command = [sys.executable, __file__, "--measure", str(path), "--model", str(model)]
    ended = subprocess.run([*command, f"--hop={hop}"], stdout=subprocess.PIPE, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def measure(model: str, path: str, hop: float) -> None:
    """Print the length, the windows, the seconds and the peak memory of one timeline."""
    from camser.inference import EmotionClassifier

    classifier = EmotionClassifier.from_pretrained(model, device="cpu")
    start = time.perf_counter()
    timeline = classifier.timeline(path, hop=hop)
    found = {
        "seconds": timeline.seconds,
        "windows": len(timeline.probabilities),
        "took_seconds": time.perf_counter() - start,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE,
    }
    print(json.dumps(found))


def print_row(row: dict) -> None:
    """A line of the table."""
    print(
        f"{row['seconds']:>8.0f} s  {row['windows']:>6} windows  "
        f"file {row['file_megabytes']:>7.1f} MB  peak {row['peak_megabytes']:>6.0f} MB  "
        f"took {row['took_seconds']:>6.1f} s"
    )


if __name__ == "__main__":
    main()
