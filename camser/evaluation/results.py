"""Write and check the files of a run. Every table is computed from these files alone."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from camser.data.manifest import Utterance
from camser.evaluation.schema import Results, UntestedResults
from camser.runtime.digests import (
    DIGEST_KEY,
    add_digest,
    compare_with_record,
    digest_matches,
    file_record,
)
from camser.runtime.files import atomic_write, write_csv
from camser.runtime.safe_io import mismatch, parse_csv, read_json, read_npz, read_text

FORMAT = 4
PACKAGES = ("camser", "torch", "torchaudio", "torchvision", "speechbrain", "transformers", "numpy")
DESCRIPTION = ("id", "corpus", "speaker", "gender", "style", "seconds")
PREDICTIONS, VALID_PREDICTIONS = "predictions.csv", "valid_predictions.csv"
EMBEDDINGS, ATTENTION, HISTORY = "embeddings.npz", "attention.npz", "history.csv"
RESULTS, ARCHITECTURE, RECIPE = "results.json", "architecture.json", "hyperparams.yaml"
BACK_END = "back_end.npz"
FILES = (PREDICTIONS, VALID_PREDICTIONS, HISTORY, EMBEDDINGS, ATTENTION, ARCHITECTURE, BACK_END)
RERUN_HINT = "start the run's command again to rewrite it"
NOT_IN_A_WORD = re.compile(r"[\W_]+")


class ResultsError(ValueError):
    """A results file is missing, damaged or has another format."""


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that affect a result."""
    return {"python": platform.python_version(), **{p: metadata.version(p) for p in PACKAGES}}


def write_results(folder: str | Path, results: Mapping[str, Any]) -> Path:
    """Write ``results.json``, the last file of a run.

    The file stores a digest of its own content, and the sizes and digests of the files beside it.

    Arguments
    ---------
    folder : str or Path
        The folder of the run.
    results : mapping
        The fields of ``Results`` but ``files``, and any others; those of ``UntestedResults`` if
        the fold has no test split.

    Returns
    -------
    Path
        The path of ``results.json``.
    """
    folder = Path(folder)
    files = {name: file_record(folder / name) for name in FILES if (folder / name).is_file()}
    results = {"format": FORMAT, **results, "files": files}
    _check(results, "these results")
    results = add_digest(results)
    with atomic_write(folder / RESULTS) as file:
        json.dump(results, file, indent=2)
        file.write("\n")
    return folder / RESULTS


def read_results(path: str | Path) -> dict[str, Any]:
    """Read a ``results.json``; check it and the files of the same run beside it.

    Raises
    ------
    ResultsError
        If one of the files is missing or damaged, a field is missing, or the format is newer.
    """
    path = Path(path)
    try:
        results = read_json(path)
    except FileNotFoundError:
        raise ResultsError(
            f"{path} is missing; the run has not ended, or the path is wrong"
        ) from None
    except (ValueError, OSError) as error:
        raise _damaged(path, error) from error
    _check(results, str(path))
    if not digest_matches(results):
        raise ResultsError(f"{path} is damaged: it has changed since the run; {RERUN_HINT}")
    files = results.pop("files")
    for name in (name for name in FILES if name in files):
        if problem := compare_with_record(path.with_name(name), files[name]):
            raise ResultsError(f"{path.with_name(name)} is damaged: {problem}; {RERUN_HINT}")
    del results[DIGEST_KEY]
    return results


def _damaged(path: Path, error: Exception) -> ResultsError:
    return ResultsError(f"{path} is damaged ({error}); delete it and run again")


def _check(results: Any, where: str) -> None:
    version = results.get("format") if isinstance(results, dict) else type(results).__name__
    if version != FORMAT:
        raise ResultsError(f"{where}: format is {version!r}; this version reads {FORMAT}")
    parts = results.get("parts")
    is_tested = not isinstance(parts, dict) or parts.get("test") != 0
    problem = mismatch(results, Results if is_tested else UntestedResults)
    if not problem and len({*results["labels"]}) < len(results["labels"]):
        problem = f"labels is {results['labels']!r:.80}; it must name each class once"
    if problem:
        raise ResultsError(f"{where}: {problem}; delete it and run again")


def write_predictions(
    folder: str | Path,
    utterances: Sequence[Utterance],
    log_probabilities: Sequence[Sequence[float]],
    labels: Sequence[str],
    train_texts: Collection[str] = (),
    name: str = PREDICTIONS,
) -> Path:
    """Write ``predictions.csv``: one row per utterance, one log-probability per class.

    ``text_in_train`` is "yes" or "no", or empty where the text is unknown. Case and punctuation
    are ignored.

    Arguments
    ---------
    folder : str or Path
        The folder of the run.
    utterances : sequence of Utterance
        The tested utterances.
    log_probabilities : sequence of sequences of float
        [utterances, classes]
    labels : sequence of str
        The classes, in order.
    train_texts : collection of str
        The texts of the training split.
    name : str
        The file name; the validation split has its own file.
    """
    known = {_words(text) for text in train_texts}
    rows = []
    for row, scores in zip(utterances, log_probabilities, strict=True):
        if len(scores) != len(labels):
            raise ValueError(f"{row.id}: {len(scores)} scores for {len(labels)} labels")
        prediction = labels[max(range(len(labels)), key=scores.__getitem__)]
        words = _words(row.text)
        text_in_train = ("yes" if words in known else "no") if words else ""
        description = [getattr(row, name) for name in DESCRIPTION]
        rows.append([*description, text_in_train, row.emotion, prediction, *scores])
    path = Path(folder) / name
    write_csv(path, [*DESCRIPTION, "text_in_train", "label", "prediction", *labels], rows)
    return path


def _words(text: str) -> str:
    return NOT_IN_A_WORD.sub(" ", text.lower()).strip()


def read_predictions(path: str | Path) -> list[dict[str, str]]:
    """The rows of a ``predictions.csv``, as strings by column.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, is cut off in its last line, or is not a valid predictions table.
    """
    text = read_text(path)
    if not text.endswith("\n"):
        raise ValueError("it is cut off in its last line")
    return parse_csv(text, {*DESCRIPTION, "label", "prediction"})


def read_scores(
    rows: Sequence[Mapping[str, str]], labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities [utterances, classes], and the index of each label [utterances].

    ``rows`` are from ``read_predictions``.
    """
    scores = np.array([[float(row[label]) for label in labels] for row in rows])
    return scores, np.array([labels.index(row["label"]) for row in rows])


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name as a compressed npz; if there are none, delete an earlier run's file."""
    if not arrays:
        path.unlink(missing_ok=True)
        return
    with atomic_write(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz; empty if the file does not exist.

    Raises
    ------
    ResultsError
        If it is damaged.
    """
    try:
        return read_npz(path)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise _damaged(path, error) from error


def write_history(folder: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``history.csv``: one row per epoch."""
    columns = dict.fromkeys(name for row in rows for name in row)
    write_csv(
        Path(folder) / HISTORY, columns, [[row.get(name, "") for name in columns] for row in rows]
    )


def read_history(folder: str | Path) -> list[dict[str, str]]:
    """The rows of a ``history.csv``, as strings by column; empty if the file does not exist.

    Raises
    ------
    ResultsError
        If it is damaged.
    """
    path = Path(folder) / HISTORY
    try:
        rows = parse_csv(read_text(path), {"epoch"})
        for row in rows:
            int(row["epoch"]), [float(row[name]) for name in row if name != "note"]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    return rows
