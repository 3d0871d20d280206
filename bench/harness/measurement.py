"""The harness of all measurements: rounds, medians, the machine, the file.

The alternatives take turns: one round runs each of them once, so what disturbs the machine for a
while disturbs all of them. Told are the median and the minimum over the rounds, and the median of
the ratios within a round, which is steadier than the ratio of the medians.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import torch
from harness import tables

Times = Mapping[str, Sequence[float]]
Candidate = Callable[[], Any]
PACKAGES = (
    "torch", "torchaudio", "torchvision", "transformers", "speechbrain", "onnxruntime", "librosa",
    "numba", "numpy",
)  # fmt: skip
GIGABYTE = 2**30


def read_arguments(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, rounds: int = 5
) -> argparse.Namespace:
    """The command line, with what all measurements take."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"by default {rounds}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs at all")
    parser.add_argument("--output", type=Path, help="a JSON file")
    return parser.parse_args(argv)


def is_gpu(device: str) -> bool:
    """Whether a device is one of NVIDIA's."""
    return torch.device(device).type == "cuda"


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given."""
    if is_gpu(device):
        torch.cuda.synchronize(device)


def timed(work: Candidate, device: str = "cpu") -> tuple[Any, float]:
    """What ``work`` returns, and its seconds."""
    synchronize(device)
    start = time.perf_counter()
    found = work()
    synchronize(device)
    return found, time.perf_counter() - start


def rounds(
    candidates: Mapping[str, Candidate], num_rounds: int, device: str = "cpu", warm_ups: int = 1
) -> dict[str, list[float]]:
    """Seconds of each candidate in each round.

    Arguments
    ---------
    candidates : mapping of str to callable
        By name. One that returns a float has measured itself; of the others, the call is timed.
    num_rounds : int
        How many count. Every other one goes backwards, so that nobody always follows the same.
    device : str
        Whose work is waited for.
    warm_ups : int
        Rounds before those, which are not told.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(-warm_ups, num_rounds):
        order = list(candidates) if number % 2 == 0 else list(candidates)[::-1]
        for name in order:
            told, seconds = timed(candidates[name], device)
            if number >= 0:
                times[name].append(told if isinstance(told, float) else seconds)
    return times


def ratios(times: Times, reference: str) -> dict[str, float]:
    """How many times as fast as the reference each candidate is: the median over the rounds."""
    return {
        name: median(r / own for own, r in zip(seconds, times[reference], strict=True))
        for name, seconds in times.items()
    }


def rows(times: Times, reference: str) -> list[dict[str, Any]]:
    """A row of the table for each candidate."""
    speeds = ratios(times, reference)
    return [
        {
            "what": name,
            "median ms": 1000 * median(seconds),
            "least ms": 1000 * min(seconds),
            f"times as fast as {reference}": speeds[name],
        }
        for name, seconds in times.items()
    ]


def machine(device: str = "cpu") -> dict[str, Any]:
    """What was measured on; nothing that names the machine itself."""
    found: dict[str, Any] = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "threads": torch.get_num_threads(),
        "memory GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIGABYTE),
    }
    if is_gpu(device):
        properties = torch.cuda.get_device_properties(device)
        found["GPU"] = properties.name
        found["GPU memory GB"] = round(properties.total_memory / GIGABYTE)
        found["driver"], found["CUDA"] = _driver(), torch.version.cuda
    return found | {"Python": platform.python_version()} | _versions()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _driver() -> str | None:
    if not shutil.which("nvidia-smi"):
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return told[0] if told else None


def _versions() -> dict[str, str]:
    installed = {d.metadata["Name"].lower() for d in metadata.distributions()}
    return {name: metadata.version(name) for name in PACKAGES if name in installed}


def report(
    asked: argparse.Namespace, found: Mapping[str, Sequence[Mapping]], **settings: Any
) -> None:
    """Print the tables, and write them where ``--output`` says.

    Arguments
    ---------
    asked : Namespace
        From ``read_arguments``.
    found : mapping of str to sequence of mapping
        Tables by name; the rows of a table have the same columns.
    **settings
        What else decides the figures.
    """
    for name, lines in found.items():
        print(f"\n{name}\n\n{tables.markdown(lines)}")
    if asked.output:
        write(asked, found, **settings)


def write(
    asked: argparse.Namespace, found: Mapping[str, Sequence[Mapping]], **settings: Any
) -> None:
    """Write the tables where ``--output`` says; arguments as ``report``'s."""
    settings = {"device": asked.device, "rounds": asked.rounds, **settings}
    told = {"machine": machine(asked.device), "settings": settings, "tables": found}
    tables.write_json(asked.output, told)
