"""Checkpoints that are complete or absent, and whose checksums are verified before use."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from speechbrain.utils.checkpoints import Checkpoint, Checkpointer, ckpt_recency
from speechbrain.utils.distributed import ddp_barrier, if_main_process, is_distributed_initialized

from camser.runtime.digests import (
    add_digest,
    compare_with_record,
    file_record,
    read_json_with_digest,
)
from camser.runtime.distributed import run_on_main
from camser.runtime.files import fsync_path
from camser.runtime.plugin_versions import Plugins

logger = logging.getLogger(__name__)
UNFINISHED_PREFIX = "partial-"
INDEX = "index.json"  # of a checkpoint's files
BEST_SCORE, BEST_EPOCH = "best_score", "best_epoch"  # in the meta: its score; best epoch so far
NUM_NEWEST = 2  # newest checkpoints that are not deleted


class CheckpointError(ValueError):
    """A checkpoint that is missing, is damaged, or does not fit this run."""


def read_checkpoints(folder: str | Path) -> list[Checkpoint]:
    """The checkpoints of a run: first the one from which it can resume, then older ones.

    Every file is read and its checksum verified; a damaged checkpoint is named in a warning. A
    checkpoint is not used either if the checkpoint of its best epoch is damaged or missing: the
    run would then test a worse epoch. It resumes from an older checkpoint.

    Arguments
    ---------
    folder : str or Path
        The folder of the checkpoints.

    Raises
    ------
    CheckpointError
        If there are checkpoints, but the run can resume from none of them.
    """
    complete, reasons = [], []
    for path in sorted(Path(folder).glob("CKPT*")):
        if damage := find_damage(path):
            reasons.append(f"{path}: {damage}")
            logger.warning("%s; this checkpoint is not used", reasons[-1])
        else:
            complete.append(path)
    newest_first = _newest_first(complete)
    for number, one in enumerate(newest_first):
        if best_checkpoint_at(one, newest_first) or not one.meta[BEST_EPOCH]:
            return newest_first[number:]
        reasons.append(f"{one.path}: the best epoch before it, {one.meta[BEST_EPOCH]:.0f}, is lost")
    if reasons:
        raise CheckpointError(
            f"{folder}: no checkpoint is left from which this run can resume:\n  "
            + "\n  ".join(reasons)
            + "\nDelete the output folder to train again, or give another one"
        )
    return []


def best_checkpoint_at(one: Checkpoint, among: Sequence[Checkpoint]) -> Checkpoint | None:
    """The checkpoint of the epoch that was the best when ``one`` was saved."""
    epoch = one.meta[BEST_EPOCH]
    scored = (c for c in among if BEST_SCORE in c.meta and c.meta["epoch"] == epoch)
    return next(scored, None)


def find_damage(folder: Path) -> str | None:
    """The first error in a checkpoint's files, or None."""
    index = read_json_with_digest(folder / INDEX)
    if index is None:
        return f"{INDEX} is damaged or missing (earlier versions wrote none)"
    files = index["files"].items()
    damages = (compare_with_record(folder / name, record) for name, record in files)
    return next(filter(None, damages), None)


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's Checkpointer; each checkpoint is written under a temporary name and renamed.

    SpeechBrain's writes in place. A job that is killed while it saves or deletes a checkpoint
    leaves an incomplete folder, and the next start loads it. Nor does it notice files that are
    damaged later. Existing checkpoints are read once, when they are first needed.

    Arguments
    ---------
    checkpoints_dir, recoverables, …
        As SpeechBrain's.

    Attributes
    ----------
    plugins : mapping
        The plugins of the model, stored in the meta of every checkpoint.
    trained : mapping
        The environment of the training, also stored in the meta; see ``EmotionBrain``.
    """

    best_key = BEST_SCORE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plugins: Plugins = {}
        self.trained: Mapping[str, Any] = {}
        remove_unfinished(self.checkpoints_dir)
        self._known: list[Checkpoint] | None = None  # only in the main process

    def list_checkpoints(self) -> list[Checkpoint]:
        """See ``read_checkpoints``; all processes must call it together."""
        return list(run_on_main(self._read_once))

    def _read_once(self) -> list[Checkpoint]:
        if self._known is None:
            self._known = read_checkpoints(self.checkpoints_dir)
        return self._known

    def check_world_size(self) -> None:
        """Raise a CheckpointError if another number of processes saved the newest one."""
        newest = self.find_checkpoint()
        if newest is not None and newest.meta["processes"] != _num_processes():
            raise CheckpointError(
                f"{newest.path} was saved by {newest.meta['processes']:.0f} processes, now there "
                f"are {_num_processes():.0f}; resume with as many, or give another output_folder"
            )

    def save_checkpoint(
        self, meta: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any
    ) -> Checkpoint | None:
        """See SpeechBrain's; the meta stores the number of processes, plugins and best epoch."""
        before, meta = self.list_checkpoints(), dict(meta or {})
        plugins = {name: dict(origin) for name, origin in self.plugins.items()}
        meta |= {"processes": _num_processes(), "plugins": plugins, **self.trained}
        best = before[0].meta[BEST_EPOCH] if before else 0.0
        meta[BEST_EPOCH] = meta["epoch"] if BEST_SCORE in meta else best
        # SpeechBrain would log the temporary name.
        level = kwargs.pop("verbosity", logging.INFO)
        saved = super().save_checkpoint(meta, *args, verbosity=logging.DEBUG, **kwargs)
        ddp_barrier()  # every process has written its files
        if saved is not None:
            saved = _publish(saved)
            self._known = [saved, *before]
            logger.log(level, "saved %s", saved.path)
        ddp_barrier()
        return saved

    def save_and_keep_only(
        self,
        meta: Mapping[str, Any] | None = None,
        end_of_epoch: bool = True,
        verbosity: int = logging.INFO,
        **ignored: Any,
    ) -> None:
        """Save, then delete all but the newest two and the best epoch when each was saved.

        If the newest is damaged, the run resumes from the one before it to the same weights.
        """
        self.save_checkpoint(meta, end_of_epoch, verbosity=verbosity)
        if if_main_process():
            known = self._read_once()
            newest = known[:NUM_NEWEST]
            needed = {
                c.path for c in [*newest, *(best_checkpoint_at(c, known) for c in newest)] if c
            }
            self._known = [c for c in known if c.path in needed]
            for path in self.checkpoints_dir.glob("CKPT*"):
                if path not in needed:
                    renamed = path.rename(path.with_name(UNFINISHED_PREFIX + path.name))
                    shutil.rmtree(renamed)
        ddp_barrier()

    def _new_checkpoint_dirpath(self) -> Path:
        path = super()._new_checkpoint_dirpath()
        return path.with_name(UNFINISHED_PREFIX + path.name)


def remove_unfinished(folder: Path) -> None:
    """Remove checkpoints whose saving was interrupted."""
    if if_main_process():
        for path in folder.glob(f"{UNFINISHED_PREFIX}*"):
            shutil.rmtree(path, ignore_errors=True)


def _newest_first(paths: Sequence[Path]) -> list[Checkpoint]:
    checkpoints = Checkpointer._construct_checkpoint_objects(paths)
    return sorted(checkpoints, key=ckpt_recency, reverse=True)


def _num_processes() -> float:
    return float(torch.distributed.get_world_size() if is_distributed_initialized() else 1)


def _publish(saved: Checkpoint) -> Checkpoint:
    """Write the index of a complete checkpoint, flush its files, then rename it."""
    files = {path.name: file_record(path) for path in sorted(saved.path.iterdir())}
    (saved.path / INDEX).write_text(json.dumps(add_digest({"files": files})), encoding="utf-8")
    for path in [*saved.path.iterdir(), saved.path]:
        fsync_path(path)
    final = saved.path.with_name(saved.path.name.removeprefix(UNFINISHED_PREFIX))
    os.rename(saved.path, final)
    fsync_path(final.parent)
    return Checkpoint(final, saved.meta, {n: final / f.name for n, f in saved.paramfiles.items()})
