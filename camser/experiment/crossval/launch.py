"""Run jobs, each in a process with its own log: on this machine, or as tasks of a Ray cluster.

On the CPU a job is forked from a server that has imported everything, so that the many short runs
of a sweep do not each spend seconds on imports. SpeechBrain queries CUDA when it is imported. A
process that is forked afterwards cannot use CUDA, so with GPUs every job is a new process.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import shlex
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from camser.config.command_line import SettingsError
from camser.experiment.crossval.options import Resources
from camser.experiment.crossval.plan import Job
from camser.runtime.exit import STOP_NOTE

LOG = "job.log"


def run_locally(
    jobs: Sequence[Job], share: Resources, num_gpus: int
) -> Generator[tuple[Job, int | None], None, None]:
    """Run jobs on this machine, a few at a time; yield each with its exit status when it ends.

    Arguments
    ---------
    jobs : sequence of Job
        In the order in which they start.
    share : Resources
        The number of jobs at once, and the processor cores of each.
    num_gpus : int
        The workers take the GPUs in turn; 0: the CPU.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(share.cpus))  # read once, by the server
    can_fork = "forkserver" in multiprocessing.get_all_start_methods() and not num_gpus
    context: Any = multiprocessing.get_context("forkserver" if can_fork else "spawn")
    context.set_forkserver_preload(["camser.experiment.run"])
    waiting, slots = deque(jobs), deque(range(share.workers))
    running: dict[Any, tuple] = {}
    try:
        while waiting or running:
            while waiting and slots:
                job, slot = waiting.popleft(), slots.popleft()
                device = {"CUDA_VISIBLE_DEVICES": _visible(slot % num_gpus)} if num_gpus else {}
                process = context.Process(
                    target=run_job, args=(job.command, job.folder, os.getcwd(), device)
                )
                process.start()
                running[process.sentinel] = job, slot, process
            for ended in wait(list(running)):
                job, slot, process = running.pop(ended)
                process.join()
                slots.append(slot)
                yield job, process.exitcode
    finally:
        if running:
            print(f"{len(running)} runs stop after a checkpoint", file=sys.stderr, flush=True)
        for _, _, process in running.values():
            process.terminate()
        for _, _, process in running.values():
            process.join()


def run_on_ray(
    jobs: Sequence[Job], share: Resources, num_gpus: int
) -> Generator[tuple[Job, int | None], None, None]:
    """The same, as tasks of a Ray cluster: an existing one, or one on this machine.

    Every node must see the working folder, the corpus and the output folders under the same paths.
    """
    try:
        import ray
    except ImportError:
        raise SettingsError("--launcher=ray needs Ray; run: pip install camser[ray]") from None
    if not ray.is_initialized():
        _connect(ray, share, num_gpus)
    task = ray.remote(run_child).options(
        num_cpus=share.cpus, num_gpus=share.gpus, max_retries=0, name="camser"
    )
    environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(share.cpus))}
    waiting = {task.remote(job.command, job.folder, os.getcwd(), environment): job for job in jobs}
    try:
        while waiting:
            (ended,), _ = ray.wait(list(waiting), num_returns=1)
            job = waiting.pop(ended)
            try:
                yield job, ray.get(ended)
            except ray.exceptions.RayError as error:
                print(f"{job.name}: {error}")
                yield job, 1
    finally:
        ray.shutdown()


def _connect(ray: Any, share: Resources, num_gpus: int) -> None:
    """Connect to the cluster of RAY_ADDRESS or ``ray start``; else start one on this machine."""
    try:
        ray.init(address="auto", log_to_driver=False)
    except ConnectionError:
        ray.init(
            num_cpus=share.cpus * share.workers,
            num_gpus=num_gpus,
            include_dashboard=False,
            log_to_driver=False,
        )


def _visible(number: int) -> str:
    """The name of a device, of those that are visible to this process."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return names.split(",")[number] if names else str(number)


def run_child(
    command: Sequence[str], folder: Path, cwd: str, environment: Mapping[str, str]
) -> int | None:
    """Run a job in a new process, to its end; return its exit status. Arguments: ``run_job``."""
    os.environ.update(environment)  # OpenMP reads it when the child is imported
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=run_job, args=(command, folder, cwd, environment))
    process.start()
    process.join()
    return process.exitcode


def run_job(command: Sequence[str], folder: Path, cwd: str, environment: Mapping[str, str]) -> None:
    """Run a job in this process, which was started for it, and end with the one that started it.

    Otherwise the jobs of a killed sweep would continue, and the next sweep would start them again.

    Arguments
    ---------
    command : sequence of str
        A Python script and its arguments.
    folder : Path
        The folder of the log; new lines are appended to an existing log.
    cwd : str
        The working folder.
    environment : mapping of str to str
        Variables that are added to the environment of this process.
    """
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    os.environ.update(environment)
    os.chdir(cwd)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOG, "a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    print(f"$ python {shlex.join(command)}", flush=True)
    sys.argv, sys.path[0] = list(command), str(Path(command[0]).parent)
    runpy.run_path(command[0], run_name="__main__")


def _exit_with_parent() -> None:
    """End this process when the launcher ends. Its parent in the system may be the fork server."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only for a process that another process started"
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def last_line(folder: Path) -> str:
    """The last line of a job's log, which is usually its error; not the note below a traceback."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    said = (line.strip() for line in reversed(lines) if line.strip() not in ("", STOP_NOTE))
    return next(said, "")
