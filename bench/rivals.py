#!/usr/bin/env python3
"""A step of training of each system of Table 1 at its full size: seconds and memory.

    pip install ./examples/plugins/camser-rivals
    python bench/rivals.py --output bench/results/rivals-cpu.json
    python bench/harness/tables.py examples/plugins/camser-rivals/README.md

A system has a process of its own, whose peak memory the operating system tells; on a GPU, torch
tells that of its memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from harness import measurement, rival_step
from harness.subprocess_memory import in_a_process


def main(argv: Sequence[str] | None = None) -> None:
    """Measure them one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch_size", type=int, default=8, help="segments; by default 8")
    parser.add_argument("--steps", type=int, default=2, help="after a first one; by default 2")
    asked = measurement.read_arguments(parser, argv, rounds=1)
    table = rival_step.SMALL if asked.quick else rival_step.TABLE_1
    rows = []
    for name in rival_step.variants(table):
        sizes = asked.batch_size, asked.steps
        found = in_a_process("harness.rival_step", table, name, asked.device, *sizes)
        rows.append({"system": name, **found})
    sizes = {"batch_size": asked.batch_size, "steps": asked.steps, "seconds": rival_step.SECONDS}
    measurement.report(asked, {"step": rows}, **sizes)


if __name__ == "__main__":
    main()
