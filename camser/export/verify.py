"""Verify that an exported model, loaded in a new process, gives its run's log-probabilities."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from camser import audio
from camser.data.manifest import (
    MANIFEST,
    DataFolder,
    Utterance,
    audio_path,
    fingerprint,
    read_manifest,
)
from camser.data.utterance_reader import UtteranceReader
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
    """Load an exported model in a new process; compare it with its run's predictions.

    Without a test split, these are of the validation split; without that, the modules of the run
    predict utterances of the training.

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
    labels, rows = run.results["labels"], _some(run.tested or run.validated)
    ids = [row["id"] for row in rows] or [u.id for u in _some(_manifest(run))]
    with recordings(run, ids, data_folder) as paths:
        actual = _in_another_process(folder, paths, engine)
        expected = [[float(row[label]) for label in labels] for row in rows] or _predict(run, paths)
    largest = float(np.abs(np.array(actual) - expected).max())
    device = "cuda" if "cuda" in run.results["device"] else "cpu"
    allowed = max(TOLERANCES[device], TOLERANCES[engine])
    if not largest <= allowed:
        raise ExportError(
            f"the exported model ({engine}) does not give its run's log-probabilities: they differ "
            f"by up to {largest:.2g} on {len(ids)} utterances (allowed: {allowed:.0e}); check "
            f"that the corpus is unchanged, and the versions of the plugins in results.json"
        )
    return {"utterances": len(ids), "largest_difference": largest}


def _some(rows: Sequence[Any]) -> Sequence[Any]:
    return rows[:: max(1, len(rows) // COUNT)][:COUNT]  # at even distances


def _manifest(run: TrainedRun) -> list[Utterance]:
    """The utterances of the run; an ExportError if they have changed."""
    path = run.folder / MANIFEST
    utterances = read_manifest(path)
    if fingerprint(utterances) != run.results["manifest"]:
        raise ExportError(f"{path} has changed since the run; {RERUN_HINT}")
    return utterances


def _predict(run: TrainedRun, paths: Sequence[str]) -> list[list[float]]:
    model, classifier = (run.modules[name].eval() for name in ("embedding_model", "classifier"))
    with torch.inference_mode():
        waveforms = (torch.from_numpy(audio.load(path)).unsqueeze(0) for path in paths)
        return [classifier(model(w, torch.ones(1))).flatten().tolist() for w in waveforms]


@contextmanager
def recordings(run: TrainedRun, ids: Sequence[str], data_folder: DataFolder) -> Iterator[list[str]]:
    """The recordings of utterances; those that are parts of files are cut into temporary ones.

    Raises
    ------
    ExportError
        If one of them is missing, or the manifest of the run has changed.
    """
    manifest = {row.id: row for row in _manifest(run)}
    utterances = [manifest[name] for name in ids]
    paths = [str(audio_path(data_folder, u)) for u in utterances]
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        raise ExportError(
            f"the exported model cannot be verified: {missing[0]} is missing; give the folder of "
            f"the corpus with --data-folder, or give --no-verify"
        )
    reader = UtteranceReader(data_folder)
    with tempfile.TemporaryDirectory() as folder:
        for number, u in enumerate(utterances):
            if u.is_cut:
                paths[number] = f"{folder}/{number}.wav"
                wave = reader.read(u)
                soundfile.write(paths[number], wave, audio.SAMPLE_RATE, subtype="FLOAT")
        yield paths


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
