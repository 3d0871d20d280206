"""One job as a process with its own log. It ends when the process that started it ends."""

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
    """Run a job in this process, which was started for it.

    Arguments
    ---------
    command : sequence of str
        A Python script and its arguments.
    folder : Path
        The folder of the log; new lines are appended to an existing log.
    environment : mapping of str to str
        Variables that are added to the environment of this process.
    """
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    os.environ.update(environment)
    with open_log(folder, command) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.argv, sys.path[0] = list(command), str(Path(command[0]).parent)
    runpy.run_path(command[0], run_name="__main__")


def _exit_with_parent() -> None:
    """End this process when the launcher ends. Its parent in the system is the fork server."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only for a process that another process started"
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def run_process(
    command: Sequence[str], folder: str | Path, environment: Mapping[str, str], cwd: str
) -> int:
    """Run a job as a new process, to its end; return its exit status.

    Arguments as for ``run_in_this_process``; ``cwd`` is the working folder.
    """
    arguments = python_command(__name__, str(os.getpid()), *command)
    with open_log(Path(cwd) / folder, command) as log:
        return subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            cwd=cwd,
            check=False,
        ).returncode


def open_log(folder: Path, command: Sequence[str]) -> TextIO:
    """Open the log of the job for appending and write the command to it."""
    folder.mkdir(parents=True, exist_ok=True)
    log = open(folder / LOG, "a", encoding="utf-8")  # noqa: SIM115 - the caller closes it
    print(f"$ python {' '.join(command)}", file=log, flush=True)
    return log


def last_line(folder: Path) -> str:
    """The last line of a job's log, which is usually its error."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def main() -> None:
    """Run a Python command. On Linux it ends with the process whose id is the first argument.

    Without this, the jobs of a killed sweep would continue, and the next sweep would start them
    again.
    """
    launcher_pid, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(launcher_pid):  # it ended before prctl was called
            sys.exit(1)
        os.execv(sys.executable, [sys.executable, *command])
    sys.exit(subprocess.run([sys.executable, *command], check=False).returncode)


if __name__ == "__main__":
    main()
