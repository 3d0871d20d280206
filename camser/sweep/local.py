"""Jobs on this machine, some at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue

from camser.sweep.options import Resources
from camser.sweep.plan import Job
from camser.sweep.process import run_process


def launch(jobs: Sequence[Job], share: Resources, num_gpus: int) -> Iterator[tuple[Job, int]]:
    """Run jobs; gives each with its exit status as it ends.

    Arguments
    ---------
    jobs : sequence of Job
        In the order in which they start.
    share : Resources
        How many at once, and the processor cores of each.
    num_gpus : int
        The workers take them in turn; 0: the CPU.
    """
    slots: SimpleQueue[int] = SimpleQueue()
    for slot in range(share.workers):
        slots.put(slot)

    def run(job: Job) -> int:
        slot = slots.get()
        environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(share.cpus))}
        if num_gpus:
            environment["CUDA_VISIBLE_DEVICES"] = _visible(slot % num_gpus)
        try:
            return run_process(job.command, job.folder, environment, os.getcwd())
        finally:
            slots.put(slot)

    with ThreadPoolExecutor(share.workers) as pool:
        futures = {pool.submit(run, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after an interrupt none begins


def _visible(number: int) -> str:
    """The device's name where only some are visible to this process."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return names.split(",")[number] if names else str(number)
