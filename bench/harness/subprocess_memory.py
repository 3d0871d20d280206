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


def environment() -> dict[str, str]:
    """What a process needs to find the modules of ``harness``."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def in_a_process(module: str, *arguments: Any) -> dict[str, Any]:
    """What a module prints in its last line, as JSON."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, env=environment(), check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def peak_megabytes() -> float:
    """The most memory that this process has had at once."""
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage tells begins, on Linux, with the parent's peak
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) * 1024 / MEGABYTE
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MEGABYTE if sys.platform == "darwin" else peak * 1024 / MEGABYTE
