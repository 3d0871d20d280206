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
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from harness import camser_model, measurement
from harness.subprocess_memory import MEGABYTE, in_a_process, peak_megabytes

from camser.inference import EmotionClassifier

LIMIT = 200  # MB that the longest may need above the shortest


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="an export; a small random one by default")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 7200])
    parser.add_argument("--rate", type=int, default=44100)
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--hop", type=float, default=1.0)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    asked = measurement.read_arguments(parser, argv, rounds=1)
    if asked.measure:
        return measure(asked.model, asked.measure, asked.hop)
    with tempfile.TemporaryDirectory() as folder:
        model = asked.model or camser_model.write_export(Path(folder) / "model", "small")
        rows = []
        for seconds in (1, 10) if asked.quick else asked.seconds:
            path = Path(folder) / f"{seconds:g}.flac"
            write_recording(path, seconds, asked.rate, asked.channels)
            given = ("--measure", path, "--model", model, "--hop", asked.hop)
            found = in_a_process("timeline_memory", *given)
            rows.append({"file MB": path.stat().st_size / MEGABYTE, **found})
    grown = rows[-1]["peak MB"] - rows[0]["peak MB"]
    settings = {name: getattr(asked, name) for name in ("rate", "channels", "hop")}
    measurement.report(asked, {"timeline": rows}, **settings, grown_megabytes=grown)
    print(f"the longest needs {grown:.0f} MB more than the shortest; allowed: {LIMIT}")
    if grown > LIMIT:
        sys.exit("too much")


def write_recording(path: Path, seconds: float, rate: int, channels: int) -> None:
    """Noise whose loudness comes and goes, written a second at a time."""
    rng, left = np.random.default_rng(0), round(seconds * rate)
    with soundfile.SoundFile(path, "w", rate, channels, subtype="PCM_16") as file:
        while left > 0:
            count = min(left, rate)
            file.write(rng.uniform(0, 0.3) * rng.uniform(-1, 1, size=(count, channels)))
            left -= count


def measure(model: str, path: str, hop: float) -> None:
    """Print the length, the windows, the seconds and the peak memory of one timeline."""
    classifier = EmotionClassifier.from_pretrained(model, device="cpu")
    timeline, took = measurement.timed(lambda: classifier.timeline(path, hop=hop))
    told = {"seconds": timeline.seconds, "windows": len(timeline.probabilities)}
    print(json.dumps({**told, "took seconds": took, "peak MB": peak_megabytes()}))


if __name__ == "__main__":
    main()
