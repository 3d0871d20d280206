"""One job as a process with its own log, which ends when what started it ends."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import TextIO

from camser.runtime.subprocesses import python_command

LOG = "job.log"
PR_SET_PDEATHSIG = 1  # of Linux's prctl


def run_in_this_process(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> None:
    """Be a job, in a process that was begun for it.

    Arguments
    ---------
    command : sequence of str
        A Python script and its arguments.
    folder : Path
        Where the log is written; what was there before stays above it.
    environment : mapping of str to str
        Beside this process's own.
    """
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    os.environ.update(environment)
    with open_log(folder, command) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.argv, sys.path[0] = list(command), str(Path(command[0]).parent)
    runpy.run_path(command[0], run_name="__main__")


def _exit_with_parent() -> None:
    """Wait for the end of the process that asked for this one; its parent is the fork server."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "this is for a process that another one started"
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def run_process(
    command: Sequence[str], folder: str | Path, environment: Mapping[str, str], cwd: str
) -> int:
    """Run a job as a new process, to its end; returns its exit status.

    Arguments as for ``run_in_this_process``; ``cwd`` is the working folder.
    """
    tied = python_command(__name__, str(os.getpid()), *command)
    with open_log(Path(cwd) / folder, command) as log:
        return subprocess.run(
            tied,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            cwd=cwd,
            check=False,
        ).returncode


def open_log(folder: Path, command: Sequence[str]) -> TextIO:
    """The job's log, open at its end, with the command in it."""
    folder.mkdir(parents=True, exist_ok=True)
    log = open(folder / LOG, "a", encoding="utf-8")  # noqa: SIM115 - the caller closes it
    print(f"$ python {' '.join(command)}", file=log, flush=True)
    return log


def last_line(folder: Path) -> str:
    """The last line of a job's log: mostly its error."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def main() -> None:
    """Become the interpreter of a command, tied (on Linux) to the process whose number comes first.

    Without this, the jobs of a killed sweep would go on, and the next one start them again.
    """
    starter, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(starter):  # it ended before that was said
            sys.exit(1)
        os.execv(sys.executable, [sys.executable, *command])
    sys.exit(subprocess.run([sys.executable, *command], check=False).returncode)


if __name__ == "__main__":
    main()
