"""Checkpoints that are whole or absent, and the random state as a part of them."""

from __future__ import annotations

import logging
import os
import random
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speechbrain.utils.checkpoints import (
    Checkpoint,
    Checkpointer,
    ckpt_recency,
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import (
    ddp_barrier,
    get_rank,
    if_main_process,
    is_distributed_initialized,
)

from camser.files import flush
from camser.provenance import Plugins, check_installed, differences

logger = logging.getLogger(__name__)
PARTIAL = "partial-"


class CheckpointError(ValueError):
    """A checkpoint that is not there, or that does not fit this run."""


class WholeCheckpointer(Checkpointer):
    """SpeechBrain's Checkpointer, each checkpoint written beside its place and renamed.

    The stock one writes in place, so a job killed while it saves (or deletes) leaves a folder
    that the next start takes for a checkpoint.

    Arguments
    ---------
    checkpoints_dir, recoverables, …
        As SpeechBrain's.

    Attributes
    ----------
    plugins : mapping
        The model's, which every checkpoint's meta holds.
    """

    best_key = "best_score"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plugins: Plugins = {}
        self._told: set[str] = set()
        if if_main_process():
            for left in self.checkpoints_dir.glob(f"{PARTIAL}*"):
                shutil.rmtree(left, ignore_errors=True)

    def check_processes(self) -> None:
        """Raise a CheckpointError if as many processes as now did not save the newest one."""
        newest = self.find_checkpoint()
        if newest is not None and newest.meta.get("processes", 1.0) != _num_processes():
            raise CheckpointError(
                f"{newest.path} was saved by {newest.meta['processes']:.0f} processes, now there "
                f"are {_num_processes():.0f}; go on with as many, or give another output_folder"
            )

    def save_checkpoint(
        self, meta: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any
    ) -> Checkpoint | None:
        """See SpeechBrain's; the number of processes and the plugins are a part of the meta."""
        plugins = {name: dict(origin) for name, origin in self.plugins.items()}
        meta = {**(meta or {}), "processes": _num_processes(), "plugins": plugins}
        saved = super().save_checkpoint(meta, *args, **kwargs)
        ddp_barrier()  # every process has written its share
        if saved is not None:
            place = saved.path.with_name(saved.path.name.removeprefix(PARTIAL))
            _flush(saved.path)
            os.rename(saved.path, place)
            files = {name: place / file.name for name, file in saved.paramfiles.items()}
            saved = Checkpoint(place, saved.meta, files)
        ddp_barrier()
        return saved

    def load_checkpoint(self, checkpoint: Checkpoint) -> None:
        """See SpeechBrain's; warns, once, of a plugin that is of another version than it was."""
        for told in differences(checkpoint.meta.get("plugins", {}), self.plugins):
            if told not in self._told and if_main_process():
                logger.warning("%s", told)
            self._told.add(told)
        super().load_checkpoint(checkpoint)

    def save_and_keep_only(
        self,
        meta: Mapping[str, Any] | None = None,
        end_of_epoch: bool = True,
        verbosity: int = logging.INFO,
        **ignored: Any,
    ) -> None:
        """Save, then keep the newest checkpoint and the best one, by ``best_key`` in the meta."""
        self.save_checkpoint(meta, end_of_epoch, verbosity=verbosity)
        if if_main_process():
            found = self.list_checkpoints()
            scored = [c for c in found if self.best_key in c.meta]
            kept = {max(found, key=ckpt_recency).path}
            if scored:
                kept.add(max(scored, key=lambda c: c.meta[self.best_key]).path)
            for checkpoint in found:
                if checkpoint.path not in kept:
                    _discard(checkpoint.path)
        ddp_barrier()

    def _new_checkpoint_dirpath(self) -> Path:
        place = super()._new_checkpoint_dirpath()
        return place.with_name(PARTIAL + place.name)


def check_plugins(folder: str | Path) -> None:
    """Raise a PluginError if what trained the newest checkpoint, if any, is not installed."""
    newest = Checkpointer(folder).find_checkpoint() if Path(folder).is_dir() else None
    if newest is not None:
        check_installed(newest.meta.get("plugins", {}), str(newest.path))


def _num_processes() -> float:
    return float(torch.distributed.get_world_size() if is_distributed_initialized() else 1)


def _flush(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        flush(path)


def _discard(folder: Path) -> None:
    aside = folder.with_name(PARTIAL + folder.name)
    os.rename(folder, aside)
    shutil.rmtree(aside)


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
