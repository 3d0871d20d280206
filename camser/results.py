"""The files of a run: written whole, read with checks, and the only source of every table."""

from __future__ import annotations

import csv
import json
import platform
import re
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from camser.corpus import Utterance
from camser.files import replacing

FORMAT = 2
REQUIRED = (
    "format", "corpus", "protocol", "selection", "fold", "fold_name", "seed", "variant", "settings",
    "labels", "parts", "WA", "UA", "macro_F1", "recall", "precision", "confusion", "absent",
    "num_utterances", "best_epoch", "epochs", "seconds", "device", "versions", "plugins",
    "manifest",
)  # fmt: skip
PACKAGES = ("camser", "torch", "torchaudio", "torchvision", "speechbrain", "transformers", "numpy")
DESCRIPTION = ("id", "corpus", "speaker", "gender", "style", "seconds", "text_in_train")
PREDICTIONS, VALID_PREDICTIONS = "predictions.csv", "valid_predictions.csv"
NOT_IN_A_WORD = re.compile(r"[\W_]+")


class ResultsError(ValueError):
    """A results file that is missing, damaged or of another format."""


def versions() -> dict[str, str]:
    """Python's and the packages' that decide a result."""
    return {"python": platform.python_version(), **{p: metadata.version(p) for p in PACKAGES}}


def write_results(folder: str | Path, results: Mapping[str, Any]) -> Path:
    """Write ``results.json``; every field of ``REQUIRED`` must be there.

    Returns
    -------
    Path
        The file.
    """
    results = {"format": FORMAT, **results}
    _check(results, "these results")
    path = Path(folder) / "results.json"
    with replacing(path) as file:
        json.dump(results, file, indent=2, allow_nan=False)
        file.write("\n")
    return path


def read_results(path: str | Path) -> dict[str, Any]:
    """Read and check a ``results.json``.

    Raises
    ------
    ResultsError
        If it is missing, damaged, lacks a field, or has a newer format.
    """
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultsError(f"{path} is missing; the run has not ended") from None
    except (ValueError, OSError) as error:
        raise ResultsError(f"{path} is damaged ({error}); delete it and run again") from error
    _check(results, str(path))
    return results


def _check(results: Any, where: str) -> None:
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        found = results.get("format") if isinstance(results, dict) else type(results).__name__
        raise ResultsError(f"{where}: format is {found!r}; this version reads {FORMAT}")
    missing = [name for name in REQUIRED if name not in results]
    if missing:
        raise ResultsError(f"{where}: lacks {', '.join(missing)}; delete it and run again")


def write_predictions(
    folder: str | Path,
    utterances: Sequence[Utterance],
    log_probabilities: Sequence[Sequence[float]],
    labels: Sequence[str],
    heard: Collection[str] = (),
    name: str = PREDICTIONS,
) -> Path:
    """Write ``predictions.csv``: one row an utterance, a log-probability a class.

    ``text_in_train`` says "yes" or "no" where what is said is known; case and punctuation do not
    count.

    Arguments
    ---------
    folder : str or Path
        The run's.
    utterances : sequence of Utterance
        What was tested.
    log_probabilities : sequence of sequences of float
        [utterances, classes]
    labels : sequence of str
        The classes, in order.
    heard : collection of str
        The texts of the training part.
    name : str
        The file's name: the validation part has one of its own.
    """
    path = Path(folder) / name
    heard = {_words(text) for text in heard}
    with replacing(path) as file:
        writer = csv.writer(file)
        writer.writerow([*DESCRIPTION, "label", "prediction", *labels])
        for row, scores in zip(utterances, log_probabilities, strict=True):
            if len(scores) != len(labels):
                raise ValueError(f"{row.id}: {len(scores)} scores for {len(labels)} labels")
            prediction = labels[max(range(len(labels)), key=scores.__getitem__)]
            described = [getattr(row, name) for name in DESCRIPTION[:-1]]
            words = _words(row.text)
            described.append(("yes" if words in heard else "no") if words else "")
            writer.writerow([*described, row.emotion, prediction, *scores])
    return path


def _words(text: str) -> str:
    return NOT_IN_A_WORD.sub(" ", text.lower()).strip()


def read_predictions(path: str | Path) -> list[dict[str, str]]:
    """The rows of a ``predictions.csv``, as strings by column.

    Raises
    ------
    ValueError
        If it is cut off in its last line.
    """
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    if not text.endswith("\n"):
        raise ValueError("it is cut off in its last line")
    return list(csv.DictReader(text.splitlines(keepends=True)))


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name as a compressed npz; none at all removes what an earlier run left."""
    if not arrays:
        path.unlink(missing_ok=True)
        return
    with replacing(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz; none if it is not there.

    Raises
    ------
    ResultsError
        If it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ResultsError(f"{path} is damaged ({error}); delete it and run again") from error


def add_history(folder: str | Path, row: Mapping[str, float]) -> None:
    """Add an epoch to ``history.csv``; rows of this epoch and later ones are replaced.

    So a resumed run, which repeats the epoch that was cut off, leaves one row an epoch.
    """
    path = Path(folder) / "history.csv"
    rows = [old for old in read_history(folder) if int(old["epoch"]) < row["epoch"]]
    columns = list(row)
    with replacing(path) as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows([*rows, row])


def read_history(folder: str | Path) -> list[dict[str, str]]:
    """The rows of a ``history.csv``, as strings by column; none if it is not there yet."""
    path = Path(folder) / "history.csv"
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
