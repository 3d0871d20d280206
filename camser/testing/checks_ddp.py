"""The check with two processes: DistributedDataParallel on the CPU, with gloo."""

from __future__ import annotations

import multiprocessing
import pickle
import re
import sys
import tempfile
import time
from datetime import timedelta
from types import ModuleType

import torch
from torch import Tensor, distributed
from torch.multiprocessing.spawn import ProcessContext, ProcessException, start_processes
from torch.nn.parallel import DistributedDataParallel

from camser.segments import split_into_segments
from camser.testing.assertions import ConformanceError, expect, first_line
from camser.testing.checks_model import utterances
from camser.testing.plugin_under_test import NUM_CLASSES, PluginUnderTest

PROCESSES, STEPS, SECONDS = 2, 3, 120


def ddp(subject: PluginUnderTest) -> None:
    """Two processes train it together, and every parameter gets a gradient in every step."""
    with tempfile.TemporaryDirectory() as folder:
        context = _start(subject, f"file://{folder}/store")
        deadline = time.monotonic() + SECONDS
        try:
            while not context.join(max(0.0, deadline - time.monotonic())):
                expect(
                    time.monotonic() < deadline,
                    f"{PROCESSES} processes still wait for each other after {SECONDS} s",
                )
        except ProcessException as error:
            errors = re.findall(r"^[\w.]+: (.*)", str(error), re.MULTILINE)  # of a traceback
            reason = errors[0] if errors else first_line(error)
            raise ConformanceError(f"{PROCESSES} processes: {reason}") from error
        finally:
            for process in context.processes:
                process.kill()
                process.join()


def _start(subject: PluginUnderTest, store: str) -> ProcessContext:
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    multiprocessing.set_forkserver_preload([__name__])  # its imports take seconds
    main = sys.modules["__main__"]
    # With the real one, each process would run the calling program again.
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        return start_processes(_train, (subject, store), PROCESSES, False, True, method)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConformanceError(
            f"other processes cannot import the class ({error}); define the class at the top level "
            f"of a module, and pass it plain parameters"
        ) from error
    finally:
        sys.modules["__main__"] = main


def _train(rank: int, subject: PluginUnderTest, store: str) -> None:
    """Train in one of the processes.

    Its end destroys the process group. ``destroy_process_group`` may wait forever in torch 2.7:
    it joins threads that wait for the interpreter's lock, which it holds.
    """
    torch.set_num_threads(1)
    timeout = timedelta(seconds=SECONDS / 2)
    distributed.init_process_group(
        "gloo", init_method=store, rank=rank, world_size=PROCESSES, timeout=timeout
    )
    model = DistributedDataParallel(subject.model().train())
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    wavs, lens = utterances(model.module)
    torch.manual_seed(rank)
    for _ in range(STEPS):
        optimizer.zero_grad()
        _loss(model, wavs * (rank + 1), lens).backward()
        optimizer.step()
    for name, parameter in model.module.named_parameters():
        values = [torch.zeros_like(parameter) for _ in range(PROCESSES)]
        distributed.all_gather(values, parameter.detach())
        same = torch.allclose(values[0], values[1], rtol=0, atol=0, equal_nan=True)
        expect(same, f"after {STEPS} steps the processes differ in {name}")


def _loss(model: DistributedDataParallel, wavs: Tensor, lens: Tensor) -> Tensor:
    """A loss of the embeddings, and the fusion's own if it has one."""
    if not model.module.fusion.has_loss:
        return model(wavs, lens).square().mean()
    segments, _ = split_into_segments(wavs, lens, model.module.segment_samples)
    embeddings, losses = model(segments, labels=torch.arange(len(segments)) % NUM_CLASSES)
    return losses.mean() + (0 if embeddings is None else embeddings.square().mean())
