"""The random state and the history, saved in a checkpoint."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from speechbrain.utils.distributed import get_rank

logger = logging.getLogger(__name__)


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
        version, internal, gauss = random.getstate()
        state = {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
            "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), *rest],
            "python": [version, list(internal), gauss],
        }
        torch.save(state, self._own(path))

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool) -> None:
        """Restore this process's states; without saved ones, they are left as they are."""
        if not self._own(path).exists():
            return  # only in evaluation: ``check_world_size`` guards training
        state = torch.load(self._own(path), weights_only=True)
        torch.set_rng_state(state["torch"])
        self._load_cuda(state["cuda"], path)
        kind, keys, *rest = state["numpy"]
        np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
        version, internal, gauss = state["python"]
        random.setstate((version, tuple(internal), gauss))

    @staticmethod
    def _load_cuda(state: torch.Tensor | None, path: str | Path) -> None:
        on_gpu = torch.cuda.is_initialized()
        if state is not None and on_gpu:
            torch.cuda.set_rng_state(state)
        elif state is not None:
            logger.warning("%s was saved on a GPU; random numbers differ on a CPU", path)
        elif on_gpu:
            logger.warning("%s was saved on a CPU; random numbers differ on a GPU", path)

    @staticmethod
    def _own(path: str | Path) -> Path:
        rank, path = get_rank() or 0, Path(path)
        return path.with_name(f"{path.name}.rank{rank}") if rank else path


@register_checkpoint_hooks
class EpochHistory:
    """The completed epochs, one row for each.

    Attributes
    ----------
    rows : list of dict
        By column; each has its ``epoch``.

    Example
    -------
    >>> history = EpochHistory()
    >>> for epoch in (1, 2):
    ...     history.add({"epoch": epoch})
    >>> history.rows
    [{'epoch': 1}, {'epoch': 2}]
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Add the next epoch; a resumed run has the rows of its checkpoint."""
        self.rows.append(dict(row))

    @mark_as_saver
    def _save(self, path: str | Path) -> None:
        Path(path).write_text(json.dumps(self.rows), encoding="utf-8")

    @mark_as_loader
    def _recover(self, path: str | Path, end_of_epoch: bool = True) -> None:
        self.rows = json.loads(Path(path).read_text(encoding="utf-8"))
