"""Training and scoring on SpeechBrain's trainer: loss on segments, score on utterances."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import torch
from speechbrain import Stage
from speechbrain.utils.distributed import ddp_broadcast, if_main_process
from torch import Tensor, nn

from camser.data.dataset import Batch
from camser.data.folds import score_note
from camser.evaluation import results
from camser.over_segments import RULES
from camser.runtime.resource_errors import RESUME_HINT, raise_with_memory_advice
from camser.segment_encoder import Intermediates
from camser.training import device, environment, objectives
from camser.training.checkpoints import AtomicCheckpointer, CheckpointError
from camser.training.class_weights import check_class_weights, class_weights
from camser.training.compilation import compile_regions, eager_unless_full_batch
from camser.training.optimizers import build_optimizers, learning_rates, set_rates
from camser.training.random_state import RandomState
from camser.training.schedules import check_schedule, rate_factor
from camser.training.scoring import score_utterances
from camser.training.trainer import ResumableBrain
from camser.training.weight_average import WeightAverage

logger = logging.getLogger(__name__)


class EmotionBrain(ResumableBrain):
    """Trains ``embedding_model`` and ``classifier``.

    Without a validation split, the last epoch is the best. With ``average_from_epoch``, the weights
    of an epoch are the mean from that epoch on, in validation and test; earlier epochs are not
    tested.

    It reads from ``hparams``: ``seed``, ``labels``, ``selection``, ``batch_size``,
    ``eval_batch_size``, ``learning_rate``, ``learning_rates``, ``schedule``, ``class_weights``,
    ``label_smoothing``, ``average_from_epoch``, ``epoch_counter``, ``loggers`` and
    ``output_folder``; ``precision`` and ``compiled``, which may be "auto".

    Arguments
    ---------
    modules : dict
        ``embedding_model`` (UtteranceEncoder) and ``classifier`` (EmotionHead).
    **kwargs
        SpeechBrain's: ``opt_class``, ``hparams``, ``run_opts``, ``checkpointer``.

    Attributes
    ----------
    note : str
        What must be said with every score, see ``folds.score_note``.
    """

    def __init__(self, modules: dict, **kwargs: Any) -> None:
        auto = device.resolve_auto(kwargs["hparams"], kwargs.get("run_opts"))
        super().__init__(modules=modules, **{**kwargs, "hparams": {**kwargs["hparams"], **auto}})
        self.note = score_note(self.hparams.selection)
        check_class_weights(self.hparams.class_weights)
        check_schedule(self.hparams.schedule, self.hparams.selection != "none")
        objectives.check_label_smoothing(modules["embedding_model"], self.hparams.label_smoothing)
        self.fitted: dict[str, Any] | None = None  # by a back end
        rates = self.hparams.learning_rate, self.hparams.learning_rates
        self.rates = learning_rates(self._components(), *rates)
        self.average = self._weight_average(self.hparams.average_from_epoch)
        self.checkpointer.add_recoverable("random_state", RandomState())
        self.checkpointer.plugins = self._unwrapped("embedding_model").plugins
        # Under --debug SpeechBrain gives every process a temporary folder of its own.
        self.checkpointer.checkpoints_dir = ddp_broadcast(self.checkpointer.checkpoints_dir)

    def _weight_average(self, first_epoch: int | None) -> WeightAverage | None:
        if first_epoch is None:
            return None
        modules = {name: self._unwrapped(name) for name in ("embedding_model", "classifier")}
        average = WeightAverage(modules, 1 if self.debug else first_epoch)  # debug runs end early
        average.delay_stopping(self.hparams.epoch_counter)
        self.checkpointer.add_recoverable("weight_average", average)
        return average

    # The forward pass ----------------------------------------------------------------------

    def compute_forward(self, batch: Batch, stage: Stage) -> Any:
        """Log-probabilities of segments, [segments, classes]; see ``objectives`` for own losses."""
        if not self._unwrapped("embedding_model").fusion.has_loss:
            return self.modules.classifier(self._embed(batch))
        embeddings, losses = self._embed(batch, with_labels=True)
        return None if embeddings is None else self.modules.classifier(embeddings), losses

    def compute_objectives(self, predictions: Any, batch: Batch, stage: Stage) -> Tensor:
        """The loss in training. That of scores has no class weights and no label smoothing, so
        validation losses of any two recipes are comparable.
        """
        options = self.class_weights, self.hparams.label_smoothing
        return objectives.mean_loss(predictions, batch.label, *options)

    def evaluate_batch(self, batch: Batch, stage: Stage) -> Tensor:
        """Embed segments. The utterances are scored at the end of the stage, with their loss."""
        most = self.hparams.eval_batch_size
        less = f"give --eval_batch_size={max(1, most // 2)}, {RESUME_HINT}"
        advice = f"a batch of {len(batch)} segments to score; {less}"
        fixed_size = eager_unless_full_batch(len(batch) == most)
        with raise_with_memory_advice(advice), self.evaluation_ctx, fixed_size:
            self.means.add(self._embed(batch), batch.owner)
        return torch.zeros(())

    def intermediates(self, batch: Batch) -> Intermediates:
        """The layers' outputs for a batch's segments, see ``UtteranceEncoder.intermediates``."""
        batch.to(self.device)
        with self.evaluation_ctx, eager_unless_full_batch(False):
            model = self._unwrapped("embedding_model")
            return model.intermediates(batch.segments, batch.cached, batch.num_samples)

    def _embed(self, batch: Batch, with_labels: bool = False) -> Any:
        batch.to(self.device)
        more = {"cached": batch.cached, "num_samples": batch.num_samples}
        labels = batch.label if with_labels else None
        return self.modules.embedding_model(batch.segments, labels=labels, **more)

    def init_optimizers(self) -> None:
        """See ``optimizers.build_optimizers``."""
        options = self.opt_class, self.rates, self.remove_vector_weight_decay
        self.optimizers_dict = build_optimizers(self._components(), *options)
        for name, optimizer in self.optimizers_dict.items():
            self.checkpointer.add_recoverable(f"optimizer_{name}", optimizer)

    def optimizers_step(self) -> Tensor:
        """See ``ResumableBrain``; at the rates of the schedule, if the recipe has one."""
        if self.hparams.schedule:
            steps = math.ceil(self.num_train_batches / self.grad_accumulation_factor)
            progress = (self.optimizer_step + 0.5) / (steps * self.hparams.epoch_counter.limit)
            state = progress, self.hparams.epoch_counter.current, self.history
            set_rates(self.optimizers_dict, self.rates, rate_factor(self.hparams.schedule, *state))
        return super().optimizers_step()

    def _components(self) -> dict[str, nn.Module]:
        components = dict(self._unwrapped("embedding_model").named_components())
        return {**components, "head": self._unwrapped("classifier")}

    def _scoring_head(self) -> nn.Module:
        return self._unwrapped("classifier")

    def _unwrapped(self, name: str) -> Any:
        module = self.modules[name]
        module = getattr(module, "module", module)  # under DistributedDataParallel
        return getattr(module, "_orig_mod", module)  # under torch.compile

    def on_fit_start(self) -> None:
        """See ``ResumableBrain``. Also rewrites the file of the history, which may be damaged."""
        super().on_fit_start()
        labels, classes = self.datasets[Stage.TRAIN].label.to(self.device), self.hparams.labels
        self.class_weights = class_weights(self.hparams.class_weights, labels, len(classes))
        self._write_history()
        self._record_environment()

    def _record_environment(self) -> None:
        settings = self.device, self.precision, self.hparams.compiled
        environment.record(self.checkpointer, environment.training_environment(*settings))

    def _compile(self) -> None:
        super()._compile()
        if self.hparams.compiled:
            compile_regions(self._unwrapped("embedding_model"))

    # The stages ------------------------------------------------------------------------------

    def on_stage_start(self, stage: Stage, epoch: int | None = None) -> None:
        """Number the epoch for augmentation; before scoring, reset the means over segments."""
        if stage == Stage.TRAIN:
            self.datasets[stage].set_epoch(epoch or 0)
            return
        rule = RULES[self._unwrapped("embedding_model").utterance_rule]
        self.means = rule(len(self.datasets[stage].ids))
        if stage == Stage.VALID and self.average:
            self.average.swap()

    def on_stage_end(self, stage: Stage, stage_loss: float, epoch: int | None = None) -> None:
        """Score the utterances; after validation also log, stop early and save a checkpoint."""
        if stage == Stage.TRAIN:
            self.train_loss = self.losses.fetch(stage_loss)
            self.skipped_steps, self.losses.skipped = self.losses.skipped, 0
            if self.average:
                self.average.add(epoch or 0)
            return
        with self.evaluation_ctx:
            labels = self.datasets[stage].labels
            self.scored = score_utterances(self.means, self._scoring_head(), labels)
        self.scores = self.scored.metrics(self.hparams.labels)
        if stage == Stage.VALID:
            assert epoch is not None, "SpeechBrain numbers them"
            if self.average:
                self.average.swap()  # training goes on from its own weights
            scores = {"loss": self.scored.loss, "WA": self.scores["WA"], "UA": self.scores["UA"]}
            self._end_epoch(epoch, scores)

    def _fit_valid(self, valid_set: Any, epoch: int, enable: bool) -> None:
        super()._fit_valid(valid_set, epoch, enable)
        if valid_set is None:
            self._end_epoch(epoch, {})

    def _end_epoch(self, epoch: int, scores: Mapping[str, float]) -> None:
        # Each process scores all utterances, and rounding may differ: one decides for all.
        score = ddp_broadcast(scores["WA"] + scores["UA"]) if scores else float(epoch)
        counts = self.average is None or self.average.num_epochs > 0
        is_best = counts and self.hparams.epoch_counter.update(score)
        self._log(epoch, scores)
        meta = {"epoch": float(epoch)}
        if is_best:
            # Only a better epoch carries the key, so a tie cannot displace the first best.
            meta[AtomicCheckpointer.best_key] = float(score)
        self.save_checkpoint(meta=meta)
        self._write_history()

    def _log(self, epoch: int, scores: Mapping[str, float]) -> None:
        optimizers = self.optimizers_dict.items()
        rates = {f"lr_{name}": optimizer.param_groups[0]["lr"] for name, optimizer in optimizers}
        row: dict[str, Any] = {"epoch": epoch, "train_loss": self.train_loss}
        if scores and self.note:
            logger.info("epoch %d: %s", epoch, self.note)
            row["note"] = self.note
        row |= {f"valid_{name}": value for name, value in scores.items()} | rates
        row |= {"skipped_steps": self.skipped_steps, "seconds": round(self.epoch_seconds, 3)}
        self.history.append(row)
        for log in self.hparams.loggers:  # only the main process writes, but all must call it
            meta = {"epoch": epoch} | rates
            log.log_stats(meta, train_stats={"loss": self.train_loss}, valid_stats=dict(scores))

    def _write_history(self) -> None:
        if self.history and if_main_process() and not self.debug:
            results.write_history(self.hparams.output_folder, self.history)

    # The test ------------------------------------------------------------------------------

    def on_evaluate_start(self, max_key: str | None = None, min_key: str | None = None) -> None:
        """Load the best epoch, see ``AtomicCheckpointer``, and the mean of the weights up to it."""
        best = self.checkpointer.recover_if_possible(max_key=max_key, min_key=min_key)
        if best is None:
            raise CheckpointError(f"{self.hparams.output_folder} has no trained epoch to test")
        self.best_epoch = int(best.meta["epoch"])
        self.averaged_epochs: list[int] | None = None
        if self.average:
            self.average.swap()
            self.averaged_epochs = [self.average.first_epoch, self.best_epoch]
        self.plugins = best.meta["plugins"]  # those installed now may have other versions
        changed = self.checkpointer.find_checkpoint().meta["changed"]
        self.trained = {**best.meta["trained_with"], "changed": changed}
