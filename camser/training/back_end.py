"""Fit a back end, in place of training or after it: one pass over the training split, one fit."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from speechbrain import Stage
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from camser.back_ends.base import BackEnd, LinearClassifier
from camser.build import build_head
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
        model.check_for_back_end()
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
        classifier, self.fitted = fit(back_end, self, loader, speakers)
        model, head = self._unwrapped("embedding_model"), self._unwrapped("classifier")
        model.fusion.set_center(torch.from_numpy(classifier.center))
        set_head(head, classifier)
        meta = {"epoch": 0.0, AtomicCheckpointer.best_key: 0.0, "fitted": self.fitted}
        self.save_checkpoint(meta=meta)

    def on_evaluate_start(self, max_key: str | None = None, min_key: str | None = None) -> None:
        """Load the fitted classifier."""
        super().on_evaluate_start(max_key, min_key)
        self.fitted = self.checkpointer.find_checkpoint().meta["fitted"]

    def _weight_average(self, first_epoch: int | None) -> None:
        """None: there are no epochs."""


class TrainedBackEndBrain(EmotionBrain):
    """An ``EmotionBrain`` that is trained; then a back end classifies what its fusion gives.

    Arguments
    ---------
    modules, **kwargs
        As for ``EmotionBrain``.

    Attributes
    ----------
    head : EmotionHead or None
        The classifier that the back end has fitted.
    """

    head: nn.Module | None = None

    def __init__(self, modules: dict, **kwargs: Any) -> None:
        super().__init__(modules=modules, **kwargs)
        modules["embedding_model"].check_for_back_end()

    def fit_back_end(self, back_end: BackEnd, loader: DataLoader, speakers: Sequence[str]) -> None:
        """Fit the classifier to vectors of the best epoch; arguments as for ``BackEndBrain``."""
        self.on_evaluate_start(max_key=AtomicCheckpointer.best_key)
        self._began = time.monotonic()
        model = self._unwrapped("embedding_model")
        model.embed_for_back_end()
        classifier, self.fitted = fit(back_end, self, loader, speakers)
        self.fitted["after_training"] = True
        self.head = build_head(model, len(self.hparams.labels), back_end.hidden_size)
        set_head(self.head.to(self.device), classifier, centers=True)

    def _scoring_head(self) -> nn.Module:
        return super()._scoring_head() if self.head is None else self.head


def embeddings(brain: EmotionBrain, loader: DataLoader) -> Tensor:
    """The embeddings of the utterances of a loader, [utterances, embedding_size]"""
    brain.on_stage_start(Stage.TEST)
    brain.modules.eval()
    with torch.no_grad():
        for batch in tqdm(loader, desc="vectors", disable=brain.noprogressbar):
            brain.evaluate_batch(batch, Stage.TEST)
    return brain.means.values()


def fit(
    back_end: BackEnd, brain: EmotionBrain, loader: DataLoader, speakers: Sequence[str]
) -> tuple[LinearClassifier, dict[str, Any]]:
    """Fit a back end to the embeddings of a loader's utterances, with the model as it is.

    Arguments
    ---------
    back_end, loader, speakers
        As for ``BackEndBrain.fit_back_end``.
    brain : EmotionBrain
        Computes the embeddings.

    Returns
    -------
    LinearClassifier, dict
        The classifier, and the field ``back_end`` of ``results.json``.
    """
    vectors = embeddings(brain, loader).double().cpu().numpy()
    labels = np.array(brain.datasets[Stage.TEST].labels)
    classifier = run_on_main(back_end.fit, vectors, labels, speakers)
    logger.info("back end: %s", dict(classifier.chosen) or "fitted")
    fitted = {
        "plugin": dict(back_end.origin),
        "chosen": dict(classifier.chosen),
        "seconds": round(brain.epoch_seconds, 3),
    }
    return classifier, fitted | ({"hidden_size": n} if (n := back_end.hidden_size) else {})


@torch.no_grad()
def set_head(head: Any, classifier: LinearClassifier, centers: bool = False) -> None:
    """Copy a fitted classifier to a head of its sizes.

    Arguments
    ---------
    head : EmotionHead
        Its weights are replaced.
    classifier : LinearClassifier
        The fitted weights.
    centers : bool
        Whether the head centers its input, because the model does not.
    """
    layers = [(head.linear, classifier.weight, classifier.bias)]
    if classifier.hidden:
        layers.insert(0, (head.hidden, *classifier.hidden))
    for number, (layer, weight, bias) in enumerate(layers):
        offset = weight @ classifier.center if centers and number == 0 else 0.0
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias - offset))
