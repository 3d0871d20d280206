"""Run jobs on this machine, a few at a time.

On the CPU a job is forked from a server that has imported everything, so that the many short runs
of a sweep do not each spend seconds on imports. SpeechBrain queries CUDA when it is imported. A
process that is forked afterwards cannot use CUDA, so with GPUs every job is a new process.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Generator, Sequence
from multiprocessing.connection import wait
from typing import Any

from camser.experiment.crossval.options import Resources
from camser.experiment.crossval.plan import Job
from camser.experiment.crossval.process import run_in_this_process


def launch(
    jobs: Sequence[Job], share: Resources, num_gpus: int
) -> Generator[tuple[Job, int], None, None]:
    """Run jobs; yield each one with its exit status when it ends.

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
                    target=run_in_this_process, args=(job.command, job.folder, device)
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


def _visible(number: int) -> str:
    """The name of a device, of those that are visible to this process."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return names.split(",")[number] if names else str(number)
