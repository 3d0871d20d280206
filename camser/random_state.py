"""The random state as a part of a checkpoint."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from speechbrain.utils.distributed import get_rank


@partial(register_checkpoint_hooks, save_on_main_only=False)
class RandomState:
    """The states of torch's, CUDA's, numpy's and Python's generators, as a recoverable.

    Every process of a distributed run keeps its own beside the main one's.
    """

    @mark_as_saver
    def save(self, path: str | Path) -> None:
        """Write this process's states."""
        drawn: Any = np.random.get_state()
        kind, keys, *rest = drawn
        version, internal, gauss = random.getstate()
        state = {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), *rest],
            "python": [version, list(internal), gauss],
        }
        torch.save(state, self._own(path))

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool) -> None:
        """Restore this process's states; a process that did not save any keeps its own."""
        if not self._own(path).exists():
            return  # only to evaluate: ``check_processes`` guards training
        state = torch.load(self._own(path), weights_only=True)
        torch.set_rng_state(state["torch"])
        if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda"])
        kind, keys, *rest = state["numpy"]
        np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
        version, internal, gauss = state["python"]
        random.setstate((version, tuple(internal), gauss))

    @staticmethod
    def _own(path: str | Path) -> Path:
        rank, path = get_rank() or 0, Path(path)
        return path.with_name(f"{path.name}.rank{rank}") if rank else path
