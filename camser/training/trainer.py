"""SpeechBrain's loop, extended: batch order, steps, interruption and resuming."""

from __future__ import annotations

import json
import logging
import math
import signal
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
from speechbrain import Stage
from speechbrain.core import INTRA_EPOCH_CKPT_FLAG
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from speechbrain.utils.distributed import get_rank, if_main_process, is_distributed_initialized
from torch import Tensor

from camser.data.dataset import SegmentDataset
from camser.runtime import resource_errors, signals
from camser.runtime.distributed import all_reduce_max
from camser.runtime.signals import SIGNALS, exit_status
from camser.training import nonfinite
from camser.training.checkpoints import CheckpointError, remove_unfinished
from camser.training.compilation import eager_unless_full_batch
from camser.training.length_sampler import make_sampler
from camser.training.running_statistics import RunningStatistics

logger = logging.getLogger(__name__)


@register_checkpoint_hooks
class ResumableBrain(sb.Brain):
    """Skips non-finite steps, seeds the batch order, and saves before it ends for a signal.

    It reads from ``hparams``: ``seed``, ``batch_size``, ``eval_batch_size`` and
    ``epoch_counter``.

    Arguments
    ---------
    **kwargs
        SpeechBrain's; ``checkpointer`` is an ``AtomicCheckpointer``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.datasets: dict[Stage, SegmentDataset] = {}
        self.losses = nonfinite.LossTracker(self.nonfinite_patience, self.scaler)
        self.history: list[dict[str, Any]] = []  # of the completed epochs, by column
        self._complete_step = 0  # the last one that this process completed
        self._loaders: weakref.WeakSet = weakref.WeakSet()
        if self.max_grad_norm <= 0:  # SpeechBrain would then climb the gradient
            self.max_grad_norm: float = math.inf

    def make_dataloader(self, dataset: Any, stage: Stage, *args: Any, **kwargs: Any) -> Any:
        """See SpeechBrain's; order and workers' seeds do not depend on the model's noise."""
        self.datasets[stage] = dataset
        kwargs["generator"] = torch.Generator().manual_seed(self.hparams.seed)
        if kwargs.get("num_workers"):
            kwargs["worker_init_fn"] = signals.leave_messages_to_main_process
            signals.remove_worker_watch()
        size, is_training = kwargs.get("batch_size", 1), stage == Stage.TRAIN
        kwargs["sampler"] = make_sampler(dataset, is_training, size, self.hparams.seed)
        if is_training:
            self.train_sampler = kwargs["sampler"]
        loader = super().make_dataloader(dataset, stage, *args, **kwargs)
        self._loaders.add(loader)
        if is_training:
            self.num_train_batches = len(loader)
        return loader

    @contextmanager
    def watching_workers(self) -> Iterator[None]:
        """Raise a LostWorkerError instead of an error that a loader's dead worker caused.

        PyTorch raises a RuntimeError, or the pipe to the worker breaks first. Only the worker's
        exit status shows the cause.
        """
        try:
            yield
        except (RuntimeError, *resource_errors.PIPE_ERRORS) as error:
            if SIGNALS.received or not (lost := self._lost_workers()):
                raise
            raise resource_errors.LostWorkerError(lost) from error

    def _lost_workers(self) -> list[str]:
        iterators = [loader._speechbrain_iterator for loader in self._loaders]
        return resource_errors.worker_exits(
            [w for iterator in iterators for w in getattr(iterator, "_workers", ())]
        )

    def fit(self, *args: Any, **kwargs: Any) -> None:
        """See SpeechBrain's; after a signal, all processes end at a checkpoint."""
        with SIGNALS.defer():
            super().fit(*args, **kwargs)
        self._stop_if_signalled()  # for a signal after the last checkpoint

    def on_fit_start(self) -> None:
        """Seed each process with a seed of its own, whatever was computed before."""
        torch.manual_seed(self.hparams.seed + (get_rank() or 0))
        self.checkpointer.check_world_size()
        super().on_fit_start()
        self.statistics = RunningStatistics(self.modules)

    def fit_batch(self, batch: Any) -> float:
        """Accumulate gradients, and step after a full set of batches or the epoch's last one.

        Returns
        -------
        float
            The epoch's mean loss, as far as it is known without waiting for the device.
        """
        full = self.step % self.grad_accumulation_factor == 0
        if (self.step - 1) % self.grad_accumulation_factor == 0:
            self.statistics.remember()
        should_step = full or self.step == self.num_train_batches
        # Around the backward pass too: with gradient checkpointing, layers run again there.
        fixed_size = eager_unless_full_batch(len(batch) == self.hparams.batch_size)
        with resource_errors.raise_with_memory_advice(
            f"a batch of {len(batch)} segments to train on; give a smaller --batch_size and a "
            f"larger --grad_accumulation_factor (their product is a step's segments), "
            f"--precision=bf16, or fewer encoders that are trained"
        ):
            with self.no_sync(not should_step), fixed_size:
                with self.training_ctx:
                    outputs = self.compute_forward(batch, Stage.TRAIN)
                    loss = self.compute_objectives(outputs, batch, Stage.TRAIN)
                nonfinite.backward_or_nan(self.scaler.scale(loss / self.grad_accumulation_factor))
            skipped = self.optimizers_step() if should_step else None
        if skipped is not None:
            self.statistics.restore_where(skipped)
        self.losses.add(self.step, batch.id, loss.detach(), skipped)
        if self.losses.should_fetch:
            self.avg_train_loss: float = self.losses.fetch(self.avg_train_loss)
        self._complete_step = self.step
        return self.avg_train_loss

    @property
    def epoch_seconds(self) -> float:
        """The seconds since the epoch began, without interruptions."""
        return time.monotonic() - self._began

    def optimizers_step(self) -> Tensor:
        """See ``nonfinite.clip_and_step``."""
        self.optimizer_step += 1
        optimizers = self.freeze_optimizers(self.optimizers_dict).values()
        return nonfinite.clip_and_step(optimizers, self.scaler, self.max_grad_norm)

    def update_average(self, loss: Tensor | float, avg_loss: float) -> float:
        """See SpeechBrain's; ``fit_batch`` returns the average itself."""
        return loss if isinstance(loss, float) else super().update_average(loss, avg_loss)

    # Saving and interruption --------------------------------------------------------------------

    def save_checkpoint(self, **kwargs: Any) -> None:
        """See ``AtomicCheckpointer.save_and_keep_only``; ends here after a signal."""
        folder = Path(self.checkpointer.checkpoints_dir)
        try:
            self.checkpointer.save_and_keep_only(**kwargs)
        except (OSError, RuntimeError) as error:
            remove_unfinished(folder)  # it takes disk space that is needed
            if isinstance(error, OSError):
                error.filename = error.filename or str(folder)
            if type(error) is not RuntimeError:  # others are, e.g., of a GPU or of the network
                raise
            # torch.save's, which has no errno
            free = resource_errors.free_space(folder) / 1e6
            raise CheckpointError(
                f"{folder} could not be written ({error}); {free:.1f} MB are free there. Earlier "
                f"checkpoints are complete; correct this, {resource_errors.RESUME_HINT}"
            ) from error
        self._stop_if_signalled()

    def _stop_if_signalled(self) -> None:
        number = all_reduce_max(SIGNALS.received, self.device)
        if not number:
            return
        saved = self.checkpointer.find_checkpoint()
        if saved and if_main_process():
            name, epoch = signal.Signals(number).name, self.hparams.epoch_counter.current
            position = f"step {self.step} of {self.num_train_batches}" if self.step else "its end"
            message = f"{name}: saved {saved.path} (epoch {epoch}, {position})"
            print(f"{message}; the same command resumes from there", file=sys.stderr)
        sys.exit(exit_status(number))

    def _should_save_intra_epoch_ckpt(self, *args: Any) -> bool:
        if not self._has_no_gradients:
            return False
        # To agree, processes wait for each other, so they do it where they have waited anyway.
        unfetched = len(self.losses.pending) >= self.grad_accumulation_factor
        may_wait = not (unfetched and is_distributed_initialized())
        if may_wait and all_reduce_max(SIGNALS.received, self.device):
            return True
        if unfetched and self.ckpt_interval_minutes > 0:
            return False
        return super()._should_save_intra_epoch_ckpt(*args)

    def _save_intra_epoch_ckpt(self) -> None:
        self.avg_train_loss = self.losses.fetch(self.avg_train_loss)
        meta = {INTRA_EPOCH_CKPT_FLAG: True}
        self.save_checkpoint(meta=meta, end_of_epoch=False, verbosity=logging.DEBUG)

    def _fit_train(self, train_set: Any, epoch: int, enable: bool) -> None:
        self._complete_step = 0  # of this epoch; a resumed one has a checkpoint already
        if not self.step:
            self._began = time.monotonic()
        try:
            super()._fit_train(train_set, epoch, enable)
        except (RuntimeError, *resource_errors.PIPE_ERRORS):
            # A signal to all of a job's processes stops the loader's workers too.
            alone = not is_distributed_initialized()
            if not (alone and SIGNALS.received and self._lost_workers()):
                raise
            is_between_batches = self.step and self.step == self._complete_step
            if is_between_batches and self._has_no_gradients:
                self._save_intra_epoch_ckpt()
            sys.exit(exit_status(SIGNALS.received))

    @property
    def _has_no_gradients(self) -> bool:
        """Whether the step is at the end of an optimizer step: no checkpoint stores gradients."""
        return self.step % self.grad_accumulation_factor == 0

    @mark_as_saver
    def _save(self, path: str | Path) -> None:
        state = {
            "step": self.step,
            "avg_train_loss": self.avg_train_loss,
            "optimizer_step": self.optimizer_step,
            "skipped_steps": self.losses.skipped,
            "seconds": self.epoch_seconds,
            "history": self.history,
        }
        Path(path).write_text(json.dumps(state), encoding="utf-8")

    @mark_as_loader
    def _recover(self, path: str | Path, end_of_epoch: bool) -> None:
        state = json.loads(Path(path).read_text(encoding="utf-8"))
        self.step, self.avg_train_loss = state["step"], state["avg_train_loss"]
        self.optimizer_step, self.losses.skipped = state["optimizer_step"], state["skipped_steps"]
        self._began = time.monotonic() - state["seconds"]
        self.history = state["history"]
