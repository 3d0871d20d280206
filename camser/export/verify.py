"""Whether an export, loaded in a process of its own, gives its run's log-probabilities."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from camser.data.manifest import DataFolder, audio_path, fingerprint, read_manifest
from camser.evaluation.results import RERUN_HINT
from camser.export.trained_run import TrainedRun
from camser.inference.export_files import ExportError
from camser.runtime.subprocesses import python_command

# How far a repeated computation may be off: a GPU rounds its products to TF32, and other kernels
# add up in another order.
TOLERANCES = {"cpu": 1e-4, "cuda": 3e-2, "torch": 1e-4, "onnx": 1e-3}
COUNT = 12
Rows = Sequence[Mapping[str, str]]


def verify(
    folder: Path, run: TrainedRun, data_folder: DataFolder, engine: str = "torch"
) -> dict[str, Any]:
    """Load an export in a new process and compare it with its run's ``predictions.csv``.

    Arguments
    ---------
    folder : Path
        The export.
    run : TrainedRun
        Where it comes from.
    data_folder : str, Path or mapping of str to those
        Where the run's corpus lies.
    engine : str
        What computes, see ``inference.engines``.

    Returns
    -------
    dict
        ``utterances`` compared and the ``largest_difference`` of a log-probability.

    Raises
    ------
    ExportError
        If the recordings are not there, or the export decides otherwise than its run.
    """
    labels, rows = run.results["labels"], _evenly_spaced(run.tested, COUNT)
    paths = recordings(run, rows, data_folder)
    got = _in_another_process(folder, paths, engine)
    wanted = [[float(row[label]) for label in labels] for row in rows]
    largest = max(
        abs(a - b)
        for ours, theirs in zip(got, wanted, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    )
    device = "cuda" if "cuda" in run.results["device"] else "cpu"
    allowed = max(TOLERANCES[device], TOLERANCES[engine])
    if not largest <= allowed:
        raise ExportError(
            f"the export ({engine}) does not give its run's log-probabilities: off by "
            f"{largest:.2g} on {len(rows)} utterances (allowed: {allowed:.0e}); is the corpus "
            f"still the same, and are the plugins of the versions in results.json?"
        )
    return {"utterances": len(rows), "largest_difference": largest}


def recordings(run: TrainedRun, rows: Rows, data_folder: DataFolder) -> list[str]:
    """Where the utterances of some rows of ``predictions.csv`` lie.

    Raises
    ------
    ExportError
        If one of them is not there, or the run's manifest is another one than it was.
    """
    utterances = read_manifest(run.folder / "manifest.csv")
    if fingerprint(utterances) != run.results["manifest"]:
        raise ExportError(f"{run.folder / 'manifest.csv'} has changed since the run; {RERUN_HINT}")
    manifest = {row.id: row for row in utterances}
    paths = [str(audio_path(data_folder, manifest[row["id"]])) for row in rows]
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        raise ExportError(
            f"the export cannot be verified: {missing[0]} is not there; say where the corpus lies "
            f"with --data_folder, or give --no-verify"
        )
    return paths


def _evenly_spaced(rows: Rows, count: int) -> Rows:
    """``count`` of the rows at even distances, the first among them."""
    return rows[:: max(1, len(rows) // count)][:count]


def _in_another_process(folder: Path, paths: list[str], engine: str) -> list[list[float]]:
    ended = subprocess.run(
        python_command("camser.export.verify", str(folder), engine),
        input=json.dumps(paths),
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it was killed"])[-1]
        raise ExportError(f"the export does not load in a new process: {last}")
    return json.loads(ended.stdout.splitlines()[-1])


def main() -> None:
    """Log-probabilities of the recordings whose paths come on standard input, as JSON."""
    from camser.inference import EmotionClassifier

    folder, engine = sys.argv[1:]
    classifier = EmotionClassifier.from_pretrained(folder, device="cpu", engine=engine)
    print(json.dumps(classifier.log_probabilities(json.load(sys.stdin)).tolist()))


if __name__ == "__main__":
    main()
