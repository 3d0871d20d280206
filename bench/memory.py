#!/usr/bin/env python3
"""Peak memory of preparation, training and inference, and how each grows.

    python bench/memory.py --output bench/results/memory-cpu.json

Each measurement has a process of its own, whose peak the operating system tells; on a GPU, torch
tells the most that was taken of its memory. The models are small: what is measured is what grows.
Preparation must not grow by more than ``LIMIT`` from the smallest corpus to the largest.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from harness import measurement
from harness.memory_workloads import PARTS
from harness.subprocess_memory import in_a_process

LIMIT = 25  # MB; the manifest's rows themselves are a few


def grown(name: str, sizes: Sequence[float], device: str) -> list[dict]:
    """The rows of one part; each tells what it needs above the first."""
    rows = []
    for size in sizes:
        found = in_a_process("harness.memory_workloads", name, size, device)
        above = found["peak MB"] - (rows[0] if rows else found)["peak MB"]
        told = {"part": name, "grows": PARTS[name][1], "size": size}
        rows.append({**told, **found, "above the first MB": above})
        if len(rows) > 1:
            rows[-1]["KB each more"] = 1024 * above / (size - sizes[0])
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all; a preparation that grows is an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked = measurement.read_arguments(parser, argv, rounds=1)
    rows = []
    for name, (_, _, sizes) in PARTS.items():
        rows += grown(name, sizes[:1] if asked.quick else sizes, asked.device)
    measurement.report(asked, {"memory": rows})
    most = max(row["above the first MB"] for row in rows if row["part"] == "preparation")
    if most > LIMIT:
        sys.exit(f"preparation needs {most:.0f} MB more for more utterances; allowed: {LIMIT}")


if __name__ == "__main__":
    main()
