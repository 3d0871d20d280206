"""One job as a process with its own log, which ends when what started it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LOG = "job.log"
PR_SET_PDEATHSIG = 1  # of Linux's prctl


def run_process(
    command: Sequence[str], folder: str | Path, environment: Mapping[str, str], cwd: str
) -> int:
    """Run a Python script to its end; returns its exit status.

    Arguments
    ---------
    command : sequence of str
        The interpreter's arguments.
    folder : str or Path
        Where the log is written; what was there before stays above it.
    environment : mapping of str to str
        Beside this process's own.
    cwd : str
        The working folder.
    """
    folder = Path(cwd) / folder
    folder.mkdir(parents=True, exist_ok=True)
    tied = [sys.executable, "-m", __name__, str(os.getpid()), *command]
    with open(folder / LOG, "a", encoding="utf-8") as log:
        print(f"$ python {' '.join(command)}", file=log, flush=True)
        return subprocess.run(
            tied,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            cwd=cwd,
            check=False,
        ).returncode


def last_line(folder: Path) -> str:
    """The last line of a job's log: mostly its error."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def main() -> None:
    """Become the interpreter of a command, tied to the process whose number comes first.

    Without this, the jobs of a killed sweep would go on, and the next one start them again.
    """
    starter, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(starter):  # it ended before that was said
            sys.exit(1)
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    main()
