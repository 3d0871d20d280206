"""A trained run as it lies in its folder, read without its corpus or pretrained weights."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import torch
from speechbrain.utils.checkpoints import Checkpointer
from torch import nn

from camser import results
from camser.build import build_model
from camser.checkpoints import CheckpointError, WholeCheckpointer
from camser.inference.unfilled import Unfilled
from camser.model import EmotionHead
from camser.provenance import check_installed, warn_of_differences
from camser.resuming import ARCHITECTURE


class TrainedRun(NamedTuple):
    """What an export is made of.

    Attributes
    ----------
    folder : Path
        The run's.
    results : dict
        Its ``results.json``.
    architecture : dict
        The arguments of ``build_model``.
    modules : dict of str to Module
        ``embedding_model`` and ``classifier`` at the best epoch.
    tested, validated : list of dict
        The rows of ``predictions.csv`` and ``valid_predictions.csv``.
    """

    folder: Path
    results: dict[str, Any]
    architecture: dict[str, Any]
    modules: dict[str, Any]
    tested: list[dict[str, str]]
    validated: list[dict[str, str]]


def read_run(folder: str | Path) -> TrainedRun:
    """Read a run that has ended.

    Arguments
    ---------
    folder : str or Path
        Its output folder.

    Raises
    ------
    ResultsError, CheckpointError
        If it has not ended, is damaged, or was trained by an older version.
    PluginError
        If a plugin that it was trained with is not installed; one of another version is a
        ``PluginVersionWarning``.
    """
    folder = Path(folder)
    path = folder / "results.json"
    found = results.read_results(path)
    architecture = _read_architecture(folder)
    check_installed(found["plugins"], str(path))
    with Unfilled():
        model = build_model(**architecture)
    warn_of_differences(found["plugins"], model.plugins)
    modules = {
        "embedding_model": model,
        "classifier": EmotionHead(model.embedding_size, len(found["labels"])),
    }
    _load_best(folder / "save", modules)
    tested = results.read_predictions(folder / results.PREDICTIONS)
    # Where the epoch was chosen on the test part, that is the validation part.
    optimistic = found["selection"] == "test_fold"
    validated = tested if optimistic else _read_validated(folder)
    return TrainedRun(folder, found, model.architecture, modules, tested, validated)


def _read_architecture(folder: Path) -> dict[str, Any]:
    path = folder / ARCHITECTURE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise results.ResultsError(f"{path} cannot be read ({error}). {REPEAT}") from error


def _read_validated(folder: Path) -> list[dict[str, str]]:
    path = folder / results.VALID_PREDICTIONS
    try:
        return results.read_predictions(path)
    except (OSError, ValueError) as error:
        raise results.ResultsError(f"{path} cannot be read ({error}). {REPEAT}") from error


def _load_best(folder: Path, modules: dict[str, nn.Module]) -> None:
    best = None
    if folder.is_dir():
        best = Checkpointer(folder).find_checkpoint(max_key=WholeCheckpointer.best_key)
    if best is None:
        raise CheckpointError(f"{folder} holds no checkpoint with a score. {REPEAT}")
    for name, module in modules.items():
        path = best.paramfiles.get(name, best.path / f"{name}.ckpt")
        try:
            module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
            raise CheckpointError(f"{path} is damaged ({error}). {REPEAT}") from error


REPEAT = (
    "Give the command of this run again (train.py with its hyperparams.yaml): it goes on where it "
    "ended, and writes what is missing"
)
