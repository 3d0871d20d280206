"""Read a trained run from its folder, without its corpus or pretrained weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from camser.build import build_head, build_model
from camser.evaluation import results
from camser.inference.skip_init import SkipWeightInit
from camser.model import UtteranceEncoder
from camser.runtime.messages import one_line
from camser.runtime.plugin_versions import check_installed, warn_version_differences
from camser.runtime.resource_errors import is_out_of_memory
from camser.runtime.safe_io import read_json
from camser.training.checkpoints import CheckpointError, best_checkpoint_at, read_checkpoints
from camser.training.weight_average import read_average


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
        ``embedding_model`` and ``classifier`` as they were tested: at the best epoch, or the mean
        up to it.
    tested, validated : list of dict
        The rows of ``predictions.csv`` and ``valid_predictions.csv``; empty without such a split.
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
    path = folder / results.RESULTS
    run_results = results.read_results(path)
    check_installed(run_results["plugins"], str(path))
    model = _build(folder / results.ARCHITECTURE)
    warn_version_differences(run_results["plugins"], model.plugins)
    back_end = run_results.get("back_end") or {}
    modules: dict[str, nn.Module] = {
        "embedding_model": model,
        "classifier": build_head(model, len(run_results["labels"]), back_end.get("hidden_size")),
    }
    is_averaged = run_results.get("averaged_epochs") is not None
    trained = dict(modules)
    if back_end.get("after_training"):
        _load_head(folder / results.BACK_END, trained.pop("classifier"))
    _load(folder / "save", run_results["best_epoch"], trained, is_averaged)
    names = {"test": results.PREDICTIONS, "valid": results.VALID_PREDICTIONS}
    if run_results["selection"] == "test_fold":  # the epoch was chosen on the test split
        names["valid"] = names["test"]
    tested, validated = (
        results.read_predictions(folder / name) if run_results["parts"][split] else []
        for split, name in names.items()
    )
    return TrainedRun(folder, run_results, model.architecture, modules, tested, validated)


def _build(path: Path) -> UtteranceEncoder:
    """The model without its weights."""
    try:
        with SkipWeightInit():
            return build_model(**read_json(path))
    except Exception as error:  # plugins and their packages raise any error
        if is_out_of_memory(error):
            raise
        raise results.ResultsError(
            f"{path}: the model cannot be built: {one_line(error)}; {results.RERUN_HINT}"
        ) from error


def _load_head(path: Path, head: nn.Module) -> None:
    """Load the classifier that a back end has fitted after training."""
    try:
        arrays = results.read_arrays(path)
        head.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    except (OSError, RuntimeError) as error:
        raise results.ResultsError(
            f"{path} does not fit the model ({error}); {results.RERUN_HINT}"
        ) from error


def _load(folder: Path, epoch: int, modules: dict[str, nn.Module], is_averaged: bool) -> None:
    """Load the weights of the best epoch, or their mean over epochs where that was tested."""
    checkpoints = read_checkpoints(folder)
    best = best_checkpoint_at(checkpoints[0], checkpoints) if checkpoints else None
    if best is None or best.meta["epoch"] != epoch:
        raise CheckpointError(
            f"{folder} has no checkpoint of the best epoch, {epoch}; {results.RERUN_HINT}"
        )
    mean = read_average(best.paramfiles["weight_average"])["tensors"] if is_averaged else {}
    for name, module in modules.items():
        path, prefix = best.paramfiles[name], f"{name}."
        averaged = {k.removeprefix(prefix): v for k, v in mean.items() if k.startswith(prefix)}
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            module.load_state_dict({**state, **averaged})
        except RuntimeError as error:  # another version of a plugin
            raise CheckpointError(
                f"{path} does not fit the model ({error}); {results.RERUN_HINT}"
            ) from error
