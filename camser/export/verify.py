"""Verify that an exported model, loaded in a new process, gives its run's log-probabilities."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from camser.data.manifest import MANIFEST, DataFolder, audio_path, fingerprint, read_manifest
from camser.evaluation.results import RERUN_HINT
from camser.export.trained_run import TrainedRun
from camser.inference.export_files import ExportError
from camser.runtime.subprocesses import python_command

# Allowed difference of a repeated computation: a GPU rounds products to TF32, and other kernels
# add in another order.
TOLERANCES = {"cpu": 1e-4, "cuda": 3e-2, "torch": 1e-4, "onnx": 1e-3}
COUNT = 12


def verify(
    folder: Path, run: TrainedRun, data_folder: DataFolder, engine: str = "torch"
) -> dict[str, Any]:
    """Load an exported model in a new process; compare it with its run's ``predictions.csv``.

    Arguments
    ---------
    folder : Path
        The model folder.
    run : TrainedRun
        The exported run.
    data_folder : str, Path or mapping of str to those
        Where the corpus of the run is.
    engine : str
        See ``inference.engines``.

    Returns
    -------
    dict
        ``utterances``, the number compared; ``largest_difference`` of a log-probability.

    Raises
    ------
    ExportError
        If a recording is missing, or the model gives other log-probabilities than its run.
    """
    labels = run.results["labels"]
    rows = run.tested[:: max(1, len(run.tested) // COUNT)][:COUNT]  # at even distances
    actual = _in_another_process(folder, recordings(run, rows, data_folder), engine)
    expected = [[float(row[label]) for label in labels] for row in rows]
    largest = float(np.abs(np.array(actual) - expected).max())
    device = "cuda" if "cuda" in run.results["device"] else "cpu"
    allowed = max(TOLERANCES[device], TOLERANCES[engine])
    if not largest <= allowed:
        raise ExportError(
            f"the exported model ({engine}) does not give its run's log-probabilities: they differ "
            f"by up to {largest:.2g} on {len(rows)} utterances (allowed: {allowed:.0e}); check "
            f"that the corpus is unchanged, and the versions of the plugins in results.json"
        )
    return {"utterances": len(rows), "largest_difference": largest}


def recordings(
    run: TrainedRun, rows: Sequence[Mapping[str, str]], data_folder: DataFolder
) -> list[str]:
    """Paths of the recordings for rows of ``predictions.csv``.

    Raises
    ------
    ExportError
        If one of them is missing, or the manifest of the run has changed.
    """
    path = run.folder / MANIFEST
    utterances = read_manifest(path)
    if fingerprint(utterances) != run.results["manifest"]:
        raise ExportError(f"{path} has changed since the run; {RERUN_HINT}")
    manifest = {row.id: row for row in utterances}
    paths = [str(audio_path(data_folder, manifest[row["id"]])) for row in rows]
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        raise ExportError(
            f"the exported model cannot be verified: {missing[0]} is missing; give the folder of "
            f"the corpus with --data-folder, or give --no-verify"
        )
    return paths


def _in_another_process(folder: Path, paths: list[str], engine: str) -> list[list[float]]:
    process = subprocess.run(
        python_command("camser.export.verify", str(folder), engine),
        input=json.dumps(paths),
        capture_output=True,
        text=True,
    )
    if process.returncode:
        last = (process.stderr.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        raise ExportError(f"the exported model does not load in a new process: {last}")
    return json.loads(process.stdout.splitlines()[-1])


def main() -> None:
    """Print log-probabilities as JSON; the paths of the recordings are on standard input."""
    from camser.inference import EmotionClassifier

    folder, engine = sys.argv[1:]
    classifier = EmotionClassifier.from_pretrained(folder, device="cpu", engine=engine)
    print(json.dumps(classifier.log_probabilities(json.load(sys.stdin)).tolist()))


if __name__ == "__main__":
    main()
