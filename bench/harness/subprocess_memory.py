"""Work in a process of its own, whose peak memory the operating system tells."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

MEGABYTE = 2**20
STATUS = Path("/proc/self/status")


def environment() -> dict[str, str]:
    """What a process needs to find the modules of ``harness``."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def in_a_process(module: str, *arguments: Any) -> dict[str, Any]:
    """What a module prints in its last line, as JSON."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, env=environment(), check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def resident_megabytes() -> float:
    """The memory of this process now, on Linux."""
    return _status("VmRSS")


def peak_megabytes() -> float:
    """The most memory that this process has had at once."""
    if STATUS.is_file():  # what getrusage tells begins, on Linux, with the parent's peak
        return _status("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MEGABYTE if sys.platform == "darwin" else peak * 1024 / MEGABYTE


def _status(name: str) -> float:
    return int(re.search(rf"{name}:\s+(\d+)", STATUS.read_text())[1]) * 1024 / MEGABYTE
