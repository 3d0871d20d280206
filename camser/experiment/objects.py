"""Build the objects of a recipe."""

from __future__ import annotations

from typing import Any

import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.run_opts import RunOptions

from camser.back_ends.base import BackEnd
from camser.build import build_head
from camser.config.settings import explain_build_errors
from camser.training.back_end import BackEndBrain, TrainedBackEndBrain
from camser.training.brain import EmotionBrain


def build_objects(text: str, back_end: BackEnd | None = None, **overrides: Any) -> dict[str, Any]:
    """The objects of a recipe by key. An argument that a constructor does not take fails here.

    Arguments
    ---------
    text : str
        The ``text`` of ``Settings``.
    back_end : BackEnd, optional
        If it fits in place of training, the classifier has its sizes.
    **overrides
        Values in place of the recipe's.
    """
    with explain_build_errors():
        hparams = load_hyperpyyaml(text, overrides)
        hparams["opt_class"]([torch.nn.Parameter(torch.zeros(1))], lr=0.0)
    hparams["loggers"] = [hparams["train_logger"]]
    is_trained = hparams.setdefault("back_end_after_training", False)
    if back_end and back_end.hidden_size and not is_trained:
        model, labels = hparams["embedding_model"], hparams["labels"]
        hparams["classifier"] = build_head(model, len(labels), back_end.hidden_size)
        hparams["checkpointer"].add_recoverable("classifier", hparams["classifier"])
    return hparams


def build_brain(hparams: dict[str, Any], run_opts: RunOptions) -> EmotionBrain:
    """The Brain that trains a recipe's objects.

    Arguments
    ---------
    hparams : dict
        From ``build_objects``.
    run_opts : RunOptions
        SpeechBrain's.
    """
    kind: type[EmotionBrain] = EmotionBrain
    if hparams["back_end"]:
        is_trained = hparams["back_end_after_training"]
        kind = TrainedBackEndBrain if is_trained else BackEndBrain
    return kind(
        modules={name: hparams[name] for name in ("embedding_model", "classifier")},
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
