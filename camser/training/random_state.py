"""The states of the random number generators: saved in a checkpoint, or replaced for a while."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from speechbrain.utils.distributed import get_rank


@partial(register_checkpoint_hooks, save_on_main_only=False)
class RandomState:
    """The states of torch's, the used GPU's, numpy's and Python's generators, as a recoverable.

    Every process of a distributed run saves its own beside the main one's.
    """

    @mark_as_saver
    def save(self, path: str | Path) -> None:
        """Write this process's states."""
        numpy_state: Any = np.random.get_state()
        kind, keys, *rest = numpy_state
        state = {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
            "numpy": (kind, keys.tolist(), *rest),
            "python": random.getstate(),
        }
        torch.save(state, self._own(path))

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool) -> None:
        """Restore this process's states; without saved ones, they are left as they are."""
        if not self._own(path).exists():
            return  # only in evaluation: ``check_world_size`` guards training
        state = torch.load(self._own(path), weights_only=True)
        torch.set_rng_state(state["torch"])
        if state["cuda"] is not None and torch.cuda.is_initialized():
            torch.cuda.set_rng_state(state["cuda"])
        np.random.set_state(state["numpy"])
        random.setstate(state["python"])

    @staticmethod
    def _own(path: str | Path) -> Path:
        rank, path = get_rank() or 0, Path(path)
        return path.with_name(f"{path.name}.rank{rank}") if rank else path


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within this context, the CPU's generators start from a seed; then their states are restored.

    Arguments
    ---------
    seed : int
        From 0, less than 2**64.

    Example
    -------
    >>> before = torch.get_rng_state()
    >>> for _ in range(2):
    ...     with seeded(1):
    ...         print(random.random(), torch.rand(()).item() < 0.8)
    0.13436424411240122 True
    0.13436424411240122 True
    >>> torch.equal(before, torch.get_rng_state())
    True
    """
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed seeds GPUs too
    np.random.seed(seed % 2**32)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
