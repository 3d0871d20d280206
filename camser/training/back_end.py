"""Fit a back end: one pass over the training split, one fit, one checkpoint."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from speechbrain import Stage
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from camser.back_ends.base import BackEnd
from camser.model import UtteranceEncoder, count_parameters
from camser.runtime.distributed import run_on_main
from camser.training.brain import EmotionBrain
from camser.training.checkpoints import AtomicCheckpointer

logger = logging.getLogger(__name__)


class BackEndBrain(EmotionBrain):
    """An ``EmotionBrain`` whose classifier a back end fits; its model is not trained.

    Arguments
    ---------
    modules : dict
        ``embedding_model``, whose embeddings are pooled frames, and ``classifier``.
    **kwargs
        As for ``EmotionBrain``.

    Raises
    ------
    ValueError
        If the model has parameters to train, which would stay as they are.
    """

    def __init__(self, modules: dict, **kwargs: Any) -> None:
        super().__init__(modules=modules, **kwargs)
        self._check_is_frozen(modules["embedding_model"], modules["classifier"])

    def _check_is_frozen(self, model: UtteranceEncoder, classifier: Any) -> None:
        if model.gives_scores:
            raise ValueError("a back end needs embeddings; give utterance_rule: mean")
        counts = count_parameters(model, classifier)
        trained = [name for name, (_, number) in counts.items() if number]
        if untrained := [name for name in trained if name not in ("head", "total")]:
            raise ValueError(
                f"back_end {self.hparams.back_end!r} trains nothing but the classifier, and "
                f"{', '.join(untrained)} would keep parameters that are to be trained; freeze the "
                f"encoders, e.g. with freeze: all, or give others, e.g. --modalities=[whisper]"
            )

    def fit_back_end(self, back_end: BackEnd, loader: DataLoader, speakers: Sequence[str]) -> None:
        """Fit the classifier and save it, unless that was done before the run was interrupted.

        Arguments
        ---------
        back_end : BackEnd
            Fits.
        loader : DataLoader
            The training split, from ``make_dataloader`` for ``Stage.TEST``.
        speakers : sequence of str
            The speaker of each utterance, see ``BackEnd.fit``.
        """
        if self.checkpointer.find_checkpoint() is not None:
            return
        self._began = time.monotonic()
        self._record_environment()
        vectors = self._vectors(loader).double().cpu().numpy()
        labels = np.array(self.datasets[Stage.TEST].labels)
        classifier = run_on_main(back_end.fit, vectors, labels, speakers)
        logger.info("back end: %s", dict(classifier.chosen) or "fitted")
        model, linear = self._unwrapped("embedding_model"), self._unwrapped("classifier").linear
        model.fusion.set_center(torch.from_numpy(classifier.center))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(classifier.weight))
            linear.bias.copy_(torch.from_numpy(classifier.bias))
        fitted = {
            "plugin": dict(back_end.origin),
            "chosen": dict(classifier.chosen),
            "seconds": round(self.epoch_seconds, 3),
        }
        meta = {"epoch": 0.0, AtomicCheckpointer.best_key: 0.0, "fitted": fitted}
        self.save_checkpoint(meta=meta)

    def _vectors(self, loader: DataLoader) -> Tensor:
        """The embeddings of the utterances of a loader, [utterances, embedding_size]"""
        self.on_stage_start(Stage.TEST)
        self.modules.eval()
        with torch.no_grad():
            for batch in tqdm(loader, desc="vectors", disable=self.noprogressbar):
                self.evaluate_batch(batch, Stage.TEST)
        return self.means.values()

    def on_evaluate_start(self, max_key: str | None = None, min_key: str | None = None) -> None:
        """Load the fitted classifier."""
        super().on_evaluate_start(max_key, min_key)
        self.fitted = self.checkpointer.find_checkpoint().meta["fitted"]

    def _weight_average(self, first_epoch: int | None) -> None:
        """None: there are no epochs."""
