"""The check with two processes: DistributedDataParallel on the CPU, with gloo."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from camser.testing.assertions import ConformanceError, expect, first_line
from camser.testing.checks_model import utterances
from camser.testing.plugin_under_test import PluginUnderTest

PROCESSES, STEPS, SECONDS = 2, 3, 120


def ddp(subject: PluginUnderTest) -> None:
    """Two processes train it together, and every parameter gets a gradient in every step."""
    _check_importable(subject)
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    context.set_forkserver_preload(["camser.testing.checks_ddp"])  # its imports take seconds
    with tempfile.TemporaryDirectory() as folder:
        started = [
            context.Process(target=_train, args=(subject, rank, folder), daemon=True)
            for rank in range(PROCESSES)
        ]
        # Without this, each process would run the calling program again.
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            for process in started:
                process.start()
        finally:
            sys.modules["__main__"] = main
        for process in started:
            process.join(SECONDS)
        hanging = [process for process in started if process.is_alive()]
        for process in hanging:
            process.kill()
            process.join()
        errors = [path.read_text(encoding="utf-8") for path in Path(folder).glob("error*")]
        codes = [process.exitcode for process in started]
    expect(not errors, f"{PROCESSES} processes: {''.join(errors[:1])}")
    expect(not hanging, f"{PROCESSES} processes still wait for each other after {SECONDS} s")
    expect(not any(codes), f"{PROCESSES} processes ended with exit status {codes}")


def _check_importable(subject: PluginUnderTest) -> None:
    try:
        pickle.dumps(subject)
        where = subject.cls.__module__
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        where = str(error)
    else:
        if where != "__main__":
            return
    raise ConformanceError(
        f"other processes cannot import the class ({where}); define the class at the top level of "
        f"a module, and pass it plain parameters"
    )


def _train(subject: PluginUnderTest, rank: int, folder: str) -> None:
    """Train in one of the processes; an error is written to a file."""
    try:
        torch.set_num_threads(1)
        distributed.init_process_group(
            "gloo",
            init_method=f"file://{folder}/store",
            rank=rank,
            world_size=PROCESSES,
            timeout=timedelta(seconds=SECONDS / 2),
        )
        _steps(subject, rank)
    except Exception as error:
        Path(folder, f"error{rank}").write_text(first_line(error), encoding="utf-8")
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _steps(subject: PluginUnderTest, rank: int) -> None:
    model = DistributedDataParallel(subject.model().train())
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    wavs, lens = utterances(model.module)
    torch.manual_seed(rank)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model(wavs * (rank + 1), lens).square().mean().backward()
        optimizer.step()
    for name, parameter in model.module.named_parameters():
        values = [torch.zeros_like(parameter) for _ in range(PROCESSES)]
        distributed.all_gather(values, parameter.detach())
        same = torch.allclose(values[0], values[1], rtol=0, atol=0, equal_nan=True)
        expect(same, f"after {STEPS} steps the processes differ in {name}")
