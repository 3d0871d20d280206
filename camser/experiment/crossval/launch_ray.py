"""Run the same jobs as tasks of a Ray cluster: an existing one, or one on this machine."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from typing import Any

from camser.config.command_line import SettingsError
from camser.experiment.crossval.options import Resources
from camser.experiment.crossval.plan import Job
from camser.experiment.crossval.process import run_process


def launch(
    jobs: Sequence[Job], share: Resources, num_gpus: int
) -> Generator[tuple[Job, int], None, None]:
    """Run jobs; yield each one with its exit status when it ends.

    The arguments are those of ``launch_local.launch``.

    Every node must see the working folder, the corpus and the output folders under the same paths.
    """
    try:
        import ray
    except ImportError:
        raise SettingsError("--launcher=ray needs Ray; run: pip install camser[ray]") from None
    if not ray.is_initialized():
        _connect(ray, share, num_gpus)
    task = ray.remote(run_process).options(
        num_cpus=share.cpus, num_gpus=share.gpus, max_retries=0, name="camser"
    )
    environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(share.cpus))}
    waiting = {
        task.remote(job.command, str(job.folder), environment, os.getcwd()): job for job in jobs
    }
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
