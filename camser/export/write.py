"""Writing an export: the folder appears whole, and verified, or not at all."""

from __future__ import annotations

from pathlib import Path

from camser.corpus import DataFolder
from camser.export.card import card
from camser.export.describe import configuration, recipe
from camser.export.run import read_run
from camser.export.verify import verify
from camser.files import replacing_folder
from camser.inference.folder import CARD, ONNX, RECIPE, write, write_config
from camser.settings import read_arguments


def export_run(
    run_folder: str | Path,
    folder: str | Path,
    data_folder: DataFolder | None = None,
    verified: bool = True,
    onnx: bool = False,
    replace: bool = False,
) -> Path:
    """Write a trained run as a folder that loads anywhere.

    Arguments
    ---------
    run_folder : str or Path
        The output folder of a run that has ended.
    folder : str or Path
        What to write.
    data_folder : str, Path or mapping of str to those, optional
        Where the run's corpus lies now; by default where it lay.
    verified : bool
        Whether the export is loaded in a new process and compared with the run's predictions.
    onnx : bool
        Whether ``model.onnx`` is written too.
    replace : bool
        Whether ``folder`` may exist, and is then replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ExportError
        If it does not give the run's log-probabilities.
    ValueError
        If the run has not ended or is damaged, or the folder exists.
    """
    run = read_run(run_folder)
    if data_folder is None:
        recipe_path = run.folder / "hyperparams.yaml"
        data_folder = read_arguments([str(recipe_path)]).values["data_folder"]
    config, model = configuration(run), run.modules["embedding_model"]
    with replacing_folder(folder, replace) as new:
        write(new, config, run.modules)
        _write(new / RECIPE, recipe(config, model.embedding_size))
        if onnx:
            from camser.export.onnx import write_onnx

            write_onnx(model, run.modules["classifier"], new / ONNX, config["labels"])
        if verified:
            config["verified"] = verify(new, run, data_folder)
            write_config(new, config)
        _write(new / CARD, card(config, run))
    return Path(folder)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
