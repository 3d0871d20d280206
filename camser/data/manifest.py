"""The manifest: one row per utterance, with the same columns for every corpus."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from camser.runtime.files import write_csv
from camser.runtime.safe_io import read_text

STYLES = ("improvised", "scripted", "acted")
GENDERS = ("female", "male")
MANIFEST = "manifest.csv"  # its name in a prepared folder, and in the folder of a run
DataFolder = str | Path | Mapping[str, str | Path]  # of one corpus, or by corpus name


class ManifestError(ValueError):
    """A manifest or a corpus folder is not valid."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording of one speaker, and its metadata.

    Ids and speakers carry their corpus (``emodb/03``), so that corpora can be joined.

    Arguments
    ---------
    id : str
        Unique over all corpora, e.g. ``iemocap/Ses01F_impro01_F000``.
    corpus : str
        The corpus's name.
    path : str
        The audio file, relative to its corpus's data folder, with forward slashes.
    seconds : float
        Duration.
    speaker : str
        The speaker's id, e.g. ``iemocap/Ses01F``; empty if unknown.
    gender : str
        ``female`` or ``male``, or empty if unknown.
    session : str
        The recording session, or empty if the corpus has none.
    dialogue : str
        The conversation, or empty.
    style : str
        ``improvised``, ``scripted`` or ``acted``, or empty if unknown.
    emotion : str
        The label, after merging (happy and excited are one class in the paper).
    text : str
        The spoken words; may be empty.
    digest : str
        Checksum of the audio file's bytes, so that the manifest's fingerprint covers the audio.
    language : str
        The spoken language; may be empty.
    split : str
        The split that the corpus itself names, for the protocol ``given``: ``train``, ``valid`` or
        ``test``, or the name of the fold that tests the utterance; may be empty.
    start : float
        Where the utterance begins in the file, in seconds.
    end : float, optional
        Where it ends; None: at the end of the file.
    """

    id: str
    corpus: str
    path: str
    seconds: float
    speaker: str = ""
    gender: str = ""
    session: str = ""
    dialogue: str = ""
    style: str = "acted"
    emotion: str = ""
    text: str = ""
    digest: str = ""
    language: str = ""
    split: str = ""
    start: float = 0.0
    end: float | None = None

    @property
    def is_cut(self) -> bool:
        """Whether it is a part of its file."""
        return self.start > 0 or self.end is not None


COLUMNS = [field.name for field in fields(Utterance)]
FIRST_COLUMNS = COLUMNS[: COLUMNS.index("digest") + 1]  # all that earlier versions wrote
DEFAULTS = tuple(field.default for field in fields(Utterance))
values_of = attrgetter(*COLUMNS)


def audio_path(data_folder: DataFolder, utterance: Utterance) -> Path:
    """The audio file of an utterance.

    Arguments
    ---------
    data_folder : str, Path or mapping of str to those
        The corpus's folder; for several corpora, the folder of each by corpus name.
    utterance : Utterance
        A row of the manifest.

    Raises
    ------
    ManifestError
        If ``data_folder`` is a mapping without the utterance's corpus; or as ``resolve_inside``.

    Example
    -------
    >>> row = Utterance("emodb/03a01Fa", "emodb", "wav/03a01Fa.wav", 1.9, "emodb/03", "male")
    >>> audio_path("/data/emodb", row).as_posix()
    '/data/emodb/wav/03a01Fa.wav'
    >>> audio_path({"emodb": "/data/emodb", "ravdess": "/data/ravdess"}, row).as_posix()
    '/data/emodb/wav/03a01Fa.wav'
    """
    folder: Any = data_folder
    if isinstance(data_folder, Mapping):
        folder = data_folder.get(utterance.corpus)
        if not folder:
            raise ManifestError(
                f"{utterance.id}: data_folder has no folder for {utterance.corpus!r}; it is "
                f"{dict(data_folder)}"
            )
    return resolve_inside(folder, utterance.path)


def resolve_inside(folder: str | Path, path: str | Path) -> Path:
    """Join a folder and a path, and check that the result is inside the folder.

    Arguments
    ---------
    folder : str or Path
        A corpus's folder; it may be a link itself.
    path : str or Path
        Relative to ``folder``.

    Raises
    ------
    ManifestError
        If ``path`` leads out of ``folder``, by itself or through a link.
    """
    joined = Path(folder) / path
    try:
        resolved, root = joined.resolve(), Path(folder).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # circular links, a name with NUL
        raise ManifestError(f"{joined}: cannot be resolved ({error})") from error
    if not resolved.is_relative_to(root):
        raise ManifestError(
            f"{joined} -> {resolved}: leads out of the data folder {root}; files outside it are "
            f"not read: copy or hard-link them, mount their folder there, or set data_folder to it"
        )
    return joined


def validate_manifest(utterances: Sequence[Utterance], source: str = "manifest") -> None:
    """Raise a ManifestError that lists the invalid rows; ``source`` is their name, e.g. a path."""
    problems, seen = [], set()
    for number, row in enumerate(utterances, start=1):
        for problem in _problems(row):
            problems.append(f"row {number} ({row.id}): {problem}")
        if row.id in seen:
            problems.append(f"row {number}: the id {row.id!r} occurs twice")
        seen.add(row.id)
    if not utterances:
        problems.append("there are no utterances")
    if problems:
        more = f"\n  … and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise ManifestError(f"{source}:\n  " + "\n  ".join(problems[:20]) + more)


def _problems(row: Utterance) -> Iterable[str]:
    for column in ("id", "corpus", "path", "emotion"):
        if not getattr(row, column):
            yield f"{column} is empty"
    if not (math.isfinite(row.seconds) and row.seconds > 0):
        yield f"seconds is {row.seconds}; it must be positive"
    if row.gender not in ("", *GENDERS):
        yield f"gender is {row.gender!r}; allowed: {', '.join(GENDERS)}, or nothing"
    if row.style not in ("", *STYLES):
        yield f"style is {row.style!r}; allowed: {', '.join(STYLES)}, or nothing"
    if not 0 <= row.start < (math.inf if row.end is None else row.end) or row.end == math.inf:
        yield f"start is {row.start}, end is {row.end}; start must be before end, neither negative"
    path = PurePosixPath(row.path)
    drive = PureWindowsPath(row.path).drive
    if path.is_absolute() or drive or ".." in path.parts or "\\" in row.path:
        yield f"path {row.path!r} must be relative to the data folder and stay inside it"


def write_manifest(path: str | Path, utterances: Sequence[Utterance]) -> None:
    """Write the rows as CSV, after validating them."""
    validate_manifest(utterances, str(path))
    write_csv(path, COLUMNS, map(values_of, utterances))


def read_manifest(path: str | Path) -> list[Utterance]:
    """Read and validate a manifest.

    Raises
    ------
    ManifestError
        If the file is missing, has other columns, or has an invalid row.
    """
    try:
        text = read_text(path)
        header, *rows = csv.reader(io.StringIO(text, newline=""))
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing; the recipe's preparation writes it") from None
    except (OSError, ValueError, csv.Error) as error:
        raise ManifestError(
            f"{path} is not a manifest: {error}; delete it and prepare again"
        ) from error
    if not text.endswith("\n"):
        raise ManifestError(f"{path} is truncated in its last line; delete it and prepare again")
    if header not in (COLUMNS, FIRST_COLUMNS):
        raise ManifestError(f"{path}: the columns are {header}; they must be {COLUMNS}")
    utterances = [_parse(header, row, f"{path}, row {n}") for n, row in enumerate(rows, start=1)]
    validate_manifest(utterances, str(path))
    return utterances


def _parse(header: list[str], row: list[str], where: str) -> Utterance:
    if len(row) != len(header):
        raise ManifestError(f"{where}: {len(row)} columns instead of {len(header)}")
    values: dict[str, Any] = dict(zip(header, row, strict=True))
    for name in {"seconds", "start", "end"} & values.keys():
        try:
            values[name] = None if name == "end" and not values[name] else float(values[name])
        except ValueError:
            raise ManifestError(f"{where}: {name} is {values[name]!r}, not a number") from None
    return Utterance(**values)


def fingerprint(utterances: Iterable[Utterance]) -> str:
    """16 hexadecimal digits that change with any row, its order, or any audio file's bytes.

    Rows that leave the later columns empty have the fingerprint of earlier versions.
    """
    sha, most = hashlib.sha256(), len(FIRST_COLUMNS)
    for values in map(values_of, utterances):
        has_more = values[most:] != DEFAULTS[most:]
        sha.update(repr(values if has_more else values[:most]).encode())
    return sha.hexdigest()[:16]
