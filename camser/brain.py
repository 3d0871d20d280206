"""Training and scoring on SpeechBrain's trainer: loss on segments, score on utterances."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

import speechbrain as sb
import torch
from speechbrain import Stage
from speechbrain.dataio.sampler import ReproducibleRandomSampler
from speechbrain.utils.distributed import ddp_broadcast, get_rank, if_main_process
from torch import Tensor, nn

from camser import automatic, finite, metrics, results
from camser.checkpoints import CheckpointError, RandomState, WholeCheckpointer
from camser.compiling import at_fixed_size, compile_regions
from camser.data import Batch, SegmentDataset
from camser.folds import caution
from camser.model import Inspection
from camser.optimizers import build_optimizers, learning_rates
from camser.scoring import UtteranceMeans, score

logger = logging.getLogger(__name__)


class EmotionBrain(sb.Brain):
    """Fits ``embedding_model`` and ``classifier``.

    What it reads from ``hparams``: ``seed``, ``labels``, ``selection``, ``batch_size``,
    ``eval_batch_size``, ``learning_rate``, ``learning_rates``, ``epoch_counter``, ``loggers`` and
    ``output_folder``; ``precision`` and ``compiled``, which may be "auto".

    Arguments
    ---------
    modules : dict
        ``embedding_model`` (UtteranceEncoder) and ``classifier`` (EmotionHead).
    **kwargs
        SpeechBrain's: ``opt_class``, ``hparams``, ``run_opts``, ``checkpointer``.
    """

    def __init__(self, modules: dict, **kwargs: Any) -> None:
        suited = automatic.resolve(kwargs["hparams"], kwargs.get("run_opts"))
        super().__init__(modules=modules, **{**kwargs, "hparams": {**kwargs["hparams"], **suited}})
        self.datasets: dict[Stage, SegmentDataset] = {}
        self.losses = finite.LossWatch(self.nonfinite_patience)
        if self.max_grad_norm <= 0:  # SpeechBrain would then climb the gradient
            self.max_grad_norm: float = math.inf
        self.rates = learning_rates(
            self._parts(), self.hparams.learning_rate, self.hparams.learning_rates
        )
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("random_state", RandomState())
            self.checkpointer.plugins = self._unwrapped("embedding_model").plugins
            # Under --debug SpeechBrain gives every process a temporary folder of its own.
            self.checkpointer.checkpoints_dir = ddp_broadcast(self.checkpointer.checkpoints_dir)

    # The pass ------------------------------------------------------------------------------

    def compute_forward(self, batch: Batch, stage: Stage) -> Tensor:
        """Log-probabilities of segments, [segments, classes]"""
        return self.modules.classifier(self._embed(batch))

    def compute_objectives(self, predictions: Tensor, batch: Batch, stage: Stage) -> Tensor:
        """Cross-entropy."""
        return nn.functional.nll_loss(predictions, batch.label)

    def evaluate_batch(self, batch: Batch, stage: Stage) -> Tensor:
        """Embed segments; what is scored are utterances, at the stage's end, and so is the loss."""
        with self.evaluation_ctx, at_fixed_size(len(batch) == self.hparams.eval_batch_size):
            self.means.add(self._embed(batch), batch.owner)
        return torch.zeros(())

    def inspect(self, batch: Batch) -> Inspection:
        """What the layers make of a batch's segments, see ``UtteranceEncoder.inspect``."""
        with self.evaluation_ctx, at_fixed_size(False):
            return self._unwrapped("embedding_model").inspect(*self._inputs(batch))

    def _embed(self, batch: Batch) -> Tensor:
        return self.modules.embedding_model(*self._inputs(batch))

    def _inputs(self, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        batch.to(self.device)
        lens, wav = torch.ones(len(batch), device=self.device), batch.wav
        if wav is None:  # all that is made of it is kept: silence, which takes no memory
            samples = self._unwrapped("embedding_model").segment_samples
            wav = torch.zeros((), device=self.device).expand(len(batch), samples)
        return wav, lens, batch.kept

    def init_optimizers(self) -> None:
        """See ``optimizers.build_optimizers``."""
        self.optimizers_dict = build_optimizers(
            self._parts(), self.opt_class, self.rates, self.remove_vector_weight_decay
        )
        if self.checkpointer is not None:
            for name, optimizer in self.optimizers_dict.items():
                self.checkpointer.add_recoverable(f"optimizer_{name}", optimizer)

    def _parts(self) -> dict[str, nn.Module]:
        parts = dict(self._unwrapped("embedding_model").named_parts())
        return {**parts, "head": self._unwrapped("classifier")}

    def _unwrapped(self, name: str) -> Any:
        module = self.modules[name]
        module = getattr(module, "module", module)  # under DistributedDataParallel
        return getattr(module, "_orig_mod", module)  # under torch.compile

    # The loop ------------------------------------------------------------------------------

    def make_dataloader(self, dataset: Any, stage: Stage, *args: Any, **kwargs: Any) -> Any:
        """SpeechBrain's; order and workers' seeds are drawn apart from the model's noise."""
        self.datasets[stage] = dataset
        kwargs["generator"] = torch.Generator().manual_seed(self.hparams.seed)
        if stage == Stage.TRAIN:
            self.train_sampler = ReproducibleRandomSampler(dataset, seed=self.hparams.seed)
            kwargs["sampler"] = self.train_sampler
        loader = super().make_dataloader(dataset, stage, *args, **kwargs)
        if stage == Stage.TRAIN:
            self.num_train_batches = len(loader)
        return loader

    def on_fit_start(self) -> None:
        """Every process draws noise of its own, the same whatever was computed before."""
        torch.manual_seed(self.hparams.seed + (get_rank() or 0))
        if self.checkpointer is not None:
            self.checkpointer.check_processes()
        super().on_fit_start()

    def _compile(self) -> None:
        super()._compile()
        if self.hparams.compiled:
            compile_regions(self._unwrapped("embedding_model"))

    def fit_batch(self, batch: Any) -> float:
        """A step; the last batches of an epoch step too where they are less than a full set.

        Returns
        -------
        float
            The epoch's mean loss, as far as it is known without waiting for the device.
        """
        full = self.step % self.grad_accumulation_factor == 0
        should_step = full or self.step == self.num_train_batches
        # Around the way back too: with gradient checkpointing, layers run there once more.
        fixed_size = at_fixed_size(len(batch) == self.hparams.batch_size)
        with self.no_sync(not should_step), fixed_size:
            with self.training_ctx:
                loss = self.compute_objectives(
                    self.compute_forward(batch, Stage.TRAIN), batch, Stage.TRAIN
                )
            finite.backward(self.scaler.scale(loss / self.grad_accumulation_factor))
        skipped = self.optimizers_step() if should_step else None
        self.losses.add(self.step, batch.id, loss.detach(), skipped)
        return self.losses.look(self.avg_train_loss) if self.losses.is_due else self.avg_train_loss

    def optimizers_step(self) -> Tensor:
        """See ``finite.step``."""
        self.optimizer_step += 1
        optimizers = self.freeze_optimizers(self.optimizers_dict).values()
        return finite.step(optimizers, self.scaler, self.max_grad_norm)

    def update_average(self, loss: Tensor | float, avg_loss: float) -> float:
        """See SpeechBrain's; ``fit_batch`` returns the average itself."""
        return loss if isinstance(loss, float) else super().update_average(loss, avg_loss)

    def _should_save_intra_epoch_ckpt(self, *args: Any) -> bool:
        # Between two steps of the optimiser there are gradients that no checkpoint holds; and
        # processes wait for each other to agree, so they do it where they have waited anyway.
        factor = self.grad_accumulation_factor
        late = len(self.losses.pending) >= factor and self.ckpt_interval_minutes > 0
        if self.step % factor or late:
            return False
        return super()._should_save_intra_epoch_ckpt(*args)

    def _save_intra_epoch_ckpt(self) -> None:
        self.avg_train_loss: float = self.losses.look(self.avg_train_loss)
        super()._save_intra_epoch_ckpt()

    def on_stage_start(self, stage: Stage, epoch: int | None = None) -> None:
        """Begin the clock of an epoch, or the means of what is to be scored."""
        if stage == Stage.TRAIN:
            self.epoch_start = time.monotonic()
        else:
            self.means = UtteranceMeans(len(self.datasets[stage].ids))

    def on_stage_end(self, stage: Stage, stage_loss: float, epoch: int | None = None) -> None:
        """Score the utterances; after validation also log, stop early and keep a checkpoint."""
        if stage == Stage.TRAIN:
            self.train_loss = self.losses.look(stage_loss)
            finite.check_scale(self.scaler)
            return
        dataset, classifier = self.datasets[stage], self._unwrapped("classifier")
        with self.evaluation_ctx:
            self.scored = score(self.means, classifier, dataset.ids, dataset.labels)
        predictions = self.scored.log_probabilities.argmax(dim=1)
        labels = self.scored.labels.tolist()
        self.scores = metrics.scores(labels, predictions.tolist(), self.hparams.labels)
        if stage == Stage.VALID:
            assert epoch is not None, "SpeechBrain numbers them"
            self._end_epoch(epoch, self.scored.loss)

    def _end_epoch(self, epoch: int, valid_loss: float) -> None:
        score = self.scores["WA"] + self.scores["UA"]
        is_best = self.hparams.epoch_counter.update(score)
        self._log(epoch, valid_loss)
        meta = {"epoch": float(epoch)}
        if is_best:
            # Only a better epoch carries the key, so a tie cannot displace the first best.
            meta[WholeCheckpointer.best_key] = float(score)
        if self.checkpointer is not None:
            self.checkpointer.save_and_keep_only(meta=meta)

    def _log(self, epoch: int, valid_loss: float) -> None:
        scores = {"loss": valid_loss, "WA": self.scores["WA"], "UA": self.scores["UA"]}
        rates = {f"lr_{name}": self.rates[name] for name in self.optimizers_dict}
        row: dict[str, Any] = {"epoch": epoch, "train_loss": self.train_loss}
        if told := caution(self.hparams.selection):
            logger.info("epoch %d is scored for %s", epoch, told)
            row["note"] = told
        row |= {f"valid_{name}": value for name, value in scores.items()}
        row |= {**rates, "seconds": round(time.monotonic() - self.epoch_start, 3)}
        if if_main_process() and not self.debug:
            results.add_history(self.hparams.output_folder, row)
        for log in self.hparams.loggers:  # each writes on the main process, but all must call it
            meta = {"epoch": epoch} | rates
            log.log_stats(meta, train_stats={"loss": self.train_loss}, valid_stats=scores)

    # The test ------------------------------------------------------------------------------

    def on_evaluate_start(self, max_key: str | None = None, min_key: str | None = None) -> None:
        """Load the best epoch; without any, there is nothing to test.

        Raises
        ------
        CheckpointError
            If no checkpoint carries a score.
        """
        if self.checkpointer is None:
            return
        found = self.checkpointer.recover_if_possible(max_key=max_key, min_key=min_key)
        if found is None:
            raise CheckpointError(
                f"{self.checkpointer.checkpoints_dir} holds no checkpoint with a score; train first"
            )
        self.best_epoch = int(found.meta["epoch"])
        # Those that trained it, which need not be those that are here to test it.
        self.plugins = found.meta.get("plugins", self._unwrapped("embedding_model").plugins)
