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
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from harness.subprocess_memory import MEGABYTE, in_a_process, peak_megabytes

LIMIT = 200  # MB that the longest may need above the shortest


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
    from harness.camser_model import write_export

    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or write_export(Path(folder) / "model", "small")
        rows = []
        for seconds in arguments.seconds:
            path = Path(folder) / f"{seconds:g}.flac"
            write_recording(path, seconds, arguments.rate, arguments.channels)
            rows.append({"file_megabytes": path.stat().st_size / MEGABYTE})
            rows[-1] |= in_a_process(
                "timeline_memory", "--measure", path, "--model", model, f"--hop={arguments.hop}"
            )
            print_row(rows[-1])
    grown = rows[-1]["peak_megabytes"] - rows[0]["peak_megabytes"]
    print(f"the longest needs {grown:.0f} MB more than the shortest; allowed: {LIMIT}")
    if arguments.output:
        from camser.runtime.files import atomic_write

        settings = {name: getattr(arguments, name) for name in ("rate", "channels", "hop")}
        with atomic_write(arguments.output) as file:
            json.dump({**settings, "grown_megabytes": grown, "recordings": rows}, file, indent=2)
            file.write("\n")
    if grown > LIMIT:
        sys.exit("too much")


def write_recording(path: Path, seconds: float, rate: int, channels: int) -> None:
    """Noise whose loudness comes and goes, written a second at a time."""
    import soundfile

    rng, left = np.random.default_rng(0), round(seconds * rate)
    with soundfile.SoundFile(path, "w", rate, channels, subtype="PCM_16") as file:
        while left > 0:
            count = min(left, rate)
            file.write(rng.uniform(0, 0.3) * rng.uniform(-1, 1, size=(count, channels)))
            left -= count


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
        "peak_megabytes": peak_megabytes(),
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
