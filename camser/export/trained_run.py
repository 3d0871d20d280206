"""Read a trained run from its folder, without its corpus or pretrained weights."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NamedTuple

import torch
from speechbrain.utils.checkpoints import Checkpoint
from torch import nn

from camser.build import build_model
from camser.evaluation import results
from camser.evaluation.results import RERUN_HINT
from camser.inference.skip_init import SkipWeightInit
from camser.model import EmotionHead, UtteranceEncoder
from camser.runtime.messages import one_line
from camser.runtime.plugin_versions import check_installed, warn_version_differences
from camser.runtime.resource_errors import is_out_of_memory
from camser.runtime.safe_io import read_json
from camser.training.checkpoints import (
    CheckpointError,
    best_checkpoint_at,
    read_checkpoints,
)


class TrainedRun(NamedTuple):
    """All data of a run that an export needs.

    Attributes
    ----------
    folder : Path
        The folder of the run.
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
    """Read a finished run.

    Arguments
    ---------
    folder : str or Path
        Its output folder.

    Raises
    ------
    ResultsError, CheckpointError
        If it is not finished, is damaged, or was trained by an older version.
    PluginError
        If one of its plugins is not installed; for another version, a ``PluginVersionWarning`` is
        shown.
    """
    folder = Path(folder)
    path = folder / "results.json"
    run_results = results.read_results(path)
    architecture = _read_architecture(folder)
    check_installed(run_results["plugins"], str(path))
    model = _build(architecture, folder)
    warn_version_differences(run_results["plugins"], model.plugins)
    modules = {
        "embedding_model": model,
        "classifier": EmotionHead(model.embedding_size, len(run_results["labels"])),
    }
    _load(_best(folder / "save", run_results), modules)
    tested = results.read_predictions(folder / results.PREDICTIONS)
    # If the epoch was chosen on the test split, this is also the validation split.
    optimistic = run_results["selection"] == "test_fold"
    validated = tested if optimistic else _read_validated(folder)
    return TrainedRun(folder, run_results, model.architecture, modules, tested, validated)


def _read_architecture(folder: Path) -> dict[str, Any]:
    path = folder / results.ARCHITECTURE
    try:
        architecture = read_json(path)
    except (OSError, ValueError) as error:
        raise results.ResultsError(f"{path} cannot be read ({error}); {RERUN_HINT}") from error
    if not isinstance(architecture, dict):
        raise results.ResultsError(f"{path} is not a table: {architecture!r:.80}; {RERUN_HINT}")
    return architecture


def _build(architecture: dict[str, Any], folder: Path) -> UtteranceEncoder:
    """The model without its weights."""
    try:
        with SkipWeightInit():
            return build_model(**architecture)
    except Exception as error:  # plugins and their packages raise any error
        if is_out_of_memory(error):
            raise
        path = folder / results.ARCHITECTURE
        raise results.ResultsError(
            f"{path}: the model cannot be built: {one_line(error)}; {RERUN_HINT}"
        ) from error


def _read_validated(folder: Path) -> list[dict[str, str]]:
    path = folder / results.VALID_PREDICTIONS
    try:
        return results.read_predictions(path)
    except (OSError, ValueError) as error:
        raise results.ResultsError(f"{path} cannot be read ({error}); {RERUN_HINT}") from error


def _best(folder: Path, run_results: dict[str, Any]) -> Checkpoint:
    checkpoints = read_checkpoints(folder)
    best = best_checkpoint_at(checkpoints[0], checkpoints) if checkpoints else None
    epoch = run_results["best_epoch"]
    if best is None or best.meta["epoch"] != epoch:
        raise CheckpointError(
            f"{folder} has no checkpoint of the best epoch, {epoch}; {RERUN_HINT}"
        )
    return best


def _load(best: Checkpoint, modules: dict[str, nn.Module]) -> None:
    for name, module in modules.items():
        path = best.paramfiles.get(name, best.path / f"{name}.ckpt")
        try:
            module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"{path} cannot be loaded into the model ({error}); {RERUN_HINT}"
            ) from error
