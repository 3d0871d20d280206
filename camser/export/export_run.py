"""Export a run: the model folder appears complete and verified, or not at all."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camser.config.settings import read_arguments
from camser.data.manifest import DataFolder
from camser.evaluation import results
from camser.export.config import export_config, speechbrain_yaml
from camser.export.model_card import model_card
from camser.export.trained_run import TrainedRun, read_run
from camser.export.verify import recordings, verify
from camser.inference.export_config import write_config
from camser.inference.export_files import CARD, INT8, ONNX, ONNX_DATA, RECIPE
from camser.inference.export_folder import write
from camser.inference.onnx_session import unavailable_reason
from camser.runtime.digests import file_record
from camser.runtime.files import atomic_folder

logger = logging.getLogger(__name__)


def export_run(
    run_folder: str | Path,
    folder: str | Path,
    data_folder: DataFolder | None = None,
    verified: bool = True,
    onnx: bool = False,
    replace: bool = False,
    int8: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write a trained run as a model folder that loads on any machine.

    Arguments
    ---------
    run_folder : str or Path
        The output folder of a finished run.
    folder : str or Path
        The model folder to write.
    data_folder : str, Path or mapping of str to those, optional
        Where the corpus of the run is now; by default, where it was in training.
    verified : bool
        Whether the exported model is loaded in a new process and compared with the predictions of
        the run. With ``int8``, also whether the cost of int8 is measured.
    onnx : bool
        Whether ``model.onnx`` is written too.
    replace : bool
        Whether an existing ``folder`` is replaced.
    int8 : bool
        Whether ``model.onnx`` and ``model.int8.onnx`` are written too.
    extra : mapping, optional
        More entries of ``config.json`` for the model card: ``cross_validated``, the scores of
        models that were trained in the same way (as ``metrics.scores``, with ``protocol``,
        ``num_folds``, ``speakers_known``, ``shared_speakers`` and ``note``); ``remarks``, a list of
        sentences; ``license``, as the hub names it; ``language``, a list of codes.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ExportError
        If the exported model does not give the log-probabilities of the run.
    ValueError
        If the run is not finished or is damaged.
    FileExistsError
        If the folder exists and is not replaced.
    """
    run = read_run(run_folder)
    if data_folder is None:
        recipe = str(run.folder / results.RECIPE)
        data_folder = read_arguments([recipe]).values["data_folder"]
    config = {**export_config(run), **(extra or {})}
    if not config["calibration"]["calibrated"]:
        logger.warning("%s: not calibrated: there are too few validation rows or errors", folder)
    with atomic_folder(folder, replace) as new:
        write(new, config, run.modules)
        (new / RECIPE).write_text(speechbrain_yaml(config), encoding="utf-8")
        if onnx or int8:
            config["onnx"] = _write_graphs(new, run, int8, config["temperature"])
            write_config(new, config)
        if verified:
            config["verified"] = verify(new, run, data_folder)
            if "onnx" in config and not unavailable_reason():
                difference = verify(new, run, data_folder, "onnx")["largest_difference"]
                config["verified"]["largest_difference_onnx"] = difference
        if int8:
            config["int8"] = _compare_int8(new, run, data_folder) if verified else None
        write_config(new, config)
        (new / CARD).write_text(model_card(config, run), encoding="utf-8")
    return Path(folder)


def _write_graphs(folder: Path, run: TrainedRun, int8: bool, temperature: float) -> dict[str, Any]:
    """Write the model as ONNX; returns the records of the files for ``config.json``."""
    from camser.export.onnx.quantize import write_int8
    from camser.export.onnx.write import write_onnx

    modules, labels = run.modules, run.results["labels"]
    parts = modules["embedding_model"], modules["classifier"]
    write_onnx(*parts, folder / ONNX, labels, temperature)
    if int8:
        write_int8(folder / ONNX, folder / INT8)
    names = (ONNX, ONNX_DATA, INT8)
    return {name: file_record(folder / name) for name in names if (folder / name).is_file()}


def _compare_int8(folder: Path, run: TrainedRun, data_folder: DataFolder) -> dict[str, Any] | None:
    """Measure how int8 changes the decisions in the test of the run; None if it has none."""
    from camser.export.onnx.quantize import compare_int8

    if not run.tested:
        return None
    with recordings(run, [row["id"] for row in run.tested], data_folder) as paths:
        return compare_int8(folder, paths, [row["label"] for row in run.tested])
