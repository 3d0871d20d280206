#!/usr/bin/env python3
"""All that a GPU has to tell, in one bounded command: the tests, where a step goes, what helps.

    python bench/gpu_profile.py --minutes 15
    python bench/gpu_profile.py --minutes 15 --fold recipes/EmoDB/train.py \
        "hparams/frozen.yaml --data_folder=/data/emodb '--encoders={whisper: {source: /data/w}}'"

Each part of ``harness/profile_parts.py`` runs in a process of its own, in turn, for as long as its
share of the time lasts, and its file is written again whenever it has found something more, so
nothing is lost that was measured. A part that fails or takes too long says so in its file, and the
next one runs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness import tables
from harness.subprocess_memory import environment

HERE = Path(__file__).parent
PARTS = "harness.profile_parts"
# What each part may take, in shares of the whole; what one does not need is left to the others.
SHARES: Mapping[str, float] = {
    "tests": 2, "step": 2, "switches": 4, "plain": 1, "features": 1, "memory": 2, "fold": 3,
}  # fmt: skip


class Part(NamedTuple):
    """A part as it ended."""

    name: str
    seconds: float
    ended: str


def run_part(name: str, seconds: float, output: Path, more: Sequence[str]) -> Part:
    """Let a part run for at most so many seconds; how it ended is added to its file."""
    command = [sys.executable, "-m", PARTS, name, "--output", str(output), *more]
    output.unlink(missing_ok=True)  # rows of another time beside this one's end would mislead
    began = time.monotonic()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    own = {"env": environment(), "start_new_session": True}
    with subprocess.Popen(command, **quiet, **own) as process:
        try:
            said = process.communicate(timeout=seconds)[1]
            told = "well" if process.returncode == 0 else _last_line(said)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # what it began has the GPU too
            told = f"cut off after {seconds:.0f} s"
    part = Part(name, time.monotonic() - began, told)
    _note(output, part)
    return part


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1][:200]


def _note(output: Path, part: Part) -> None:
    found = json.loads(output.read_text(encoding="utf-8")) if output.is_file() else {"tables": {}}
    found["tables"]["end"] = [part._asdict()]
    tables.write_json(output, found)


def main(argv: Sequence[str] | None = None) -> list[Part]:
    """Run all parts, or those that are asked for, within the time there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15.0, help="of all parts together")
    parser.add_argument("--parts", nargs="+", choices=[*SHARES], default=[*SHARES])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu to try the command")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs at all")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="a folder")
    parser.add_argument(
        "--fold", nargs=2, metavar=("TRAIN_PY", "ARGUMENTS"), help="of real speech; else synthetic"
    )
    asked = parser.parse_args(argv)
    asked.output.mkdir(parents=True, exist_ok=True)
    more = ["--device", asked.device, *(["--quick"] if asked.quick else [])]
    more += ["--fold", *asked.fold] if asked.fold else []
    deadline, ended = time.monotonic() + 60 * asked.minutes, []
    for position, name in enumerate(asked.parts):
        left = sum(SHARES[part] for part in asked.parts[position:])
        seconds = max(1.0, (deadline - time.monotonic()) * SHARES[name] / left)
        kind = "cpu" if asked.device == "cpu" else "gpu"
        output = asked.output / f"profile_{name}-{kind}.json"
        part = run_part(name, seconds, output, more)
        print(f"\n{name}: {part.seconds:.0f} s, ended {part.ended}\n", flush=True)
        if rows := json.loads(output.read_text(encoding="utf-8"))["tables"].get(name):
            print(tables.markdown(rows), flush=True)
        ended.append(part)
    return ended


if __name__ == "__main__":
    if any(part.ended != "well" for part in main()):
        sys.exit(1)
