"""The number of epochs, chosen once by inner folds: a cross-validation of the training split.

Each inner fold trains on some speakers of the training split for ``max_inner_epochs`` and is
validated on the others after every epoch. The number of epochs with the best mean of WA + UA is
chosen; the complete training split is then trained for it. No speaker of the test split takes part.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from speechbrain.utils.distributed import if_main_process

from camser.config.command_line import SettingsError
from camser.config.schema import INNER_FOLDS
from camser.data.folds import Fold, FoldError, make_folds
from camser.data.protocols import unit_of
from camser.runtime.digests import add_digest, read_json_with_digest
from camser.runtime.distributed import run_on_main
from camser.runtime.files import atomic_write

logger = logging.getLogger(__name__)
CHOICE, FOLDER = "inner_folds.json", "inner"
# Trains on the train split of a fold, and returns the history; its arguments are the fold and its
# output folder.
Trainer = Callable[[Fold, Path], Sequence[Mapping[str, float]]]


def are_set(values: Mapping[str, Any]) -> bool:
    """Whether inner folds are to choose the number of epochs."""
    return values.get("number_of_epochs") == INNER_FOLDS


def inner_splits(fold: Fold, values: Mapping[str, Any]) -> list[Fold]:
    """The inner folds of a fold; none unless they are set, and none for a back end.

    Arguments
    ---------
    fold : Fold
        The fold of the run.
    values : mapping
        The settings of the run.

    Raises
    ------
    SettingsError
        If there is a validation split, which chooses the epoch already.
    FoldError
        If the training split cannot be divided.
    """
    if not are_set(values) or values["back_end"]:
        return []
    if values["selection"] != "none":
        raise SettingsError(
            f"number_of_epochs is {INNER_FOLDS}, but with selection {values['selection']} a "
            f"validation split chooses the epoch; give --selection=none, or a number of epochs"
        )
    return divide(fold, values["num_inner_folds"])


def divide(fold: Fold, number: int) -> list[Fold]:
    """Divide a fold's training split into inner folds, which have validation splits alone.

    Arguments
    ---------
    fold : Fold
        A fold; its other splits take no part.
    number : int
        Of inner folds; fewer if there are fewer speakers.

    Raises
    ------
    FoldError
        If the training split cannot be divided.
    """
    number = min(number, len({unit_of(u) for u in fold.train}))
    try:
        folds = make_folds(fold.train, "speaker_k_fold", "none", number)
    except FoldError as error:
        raise FoldError(f"inner folds of fold {fold.index} ({fold.name}): {error}") from error
    return [Fold(f.index, f.name, f.train, f.test, ()) for f in folds]


def choose_number_of_epochs(
    folder: Path, splits: Sequence[Fold], values: Mapping[str, Any], train: Trainer
) -> dict[str, Any]:
    """Train the inner folds and choose; a choice that ``folder`` already holds is read.

    Arguments
    ---------
    folder : Path
        The output folder of the run. The inner folds have their checkpoints below it, from which
        they resume; they are deleted after the choice.
    splits : sequence of Fold
        From ``inner_splits``.
    values : mapping
        The settings of the run.
    train : callable
        See ``Trainer``.

    Returns
    -------
    dict
        ``number_of_epochs``; ``folds``, their number; ``scores``, the mean of WA + UA after each
        epoch; ``seconds``.
    """
    path = folder / CHOICE
    if (choice := run_on_main(read_json_with_digest, path)) is None:
        logger.info(
            "number_of_epochs: chosen by %d inner folds of %d epochs each",
            len(splits),
            values["max_inner_epochs"],
        )
        histories = [_train(train, split, folder) for split in splits]
        choice = run_on_main(_choose, histories, values["average_from_epoch"] or 1)
        if if_main_process():
            with atomic_write(path) as file:
                json.dump(add_digest(choice), file, indent=2)
            shutil.rmtree(folder / FOLDER)
    logger.info("number_of_epochs: inner folds chose %d", choice["number_of_epochs"])
    return {name: choice[name] for name in ("number_of_epochs", "folds", "scores", "seconds")}


def _train(train: Trainer, split: Fold, folder: Path) -> Sequence[Mapping[str, float]]:
    logger.info("inner fold %d (validated on %s)", split.index, split.name)
    return train(split, folder / FOLDER / str(split.index))


def _choose(histories: Sequence[Sequence[Mapping[str, float]]], first_epoch: int) -> dict[str, Any]:
    """The best epoch from ``first_epoch`` on; of equal ones, the first."""
    scores = np.array([[row["valid_WA"] + row["valid_UA"] for row in rows] for rows in histories])
    means = scores.mean(axis=0)
    return {
        "number_of_epochs": first_epoch + int(means[first_epoch - 1 :].argmax()),
        "folds": len(histories),
        "scores": means.tolist(),
        "seconds": sum(row["seconds"] for rows in histories for row in rows),
    }
