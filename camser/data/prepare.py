"""From a corpus folder to a manifest: what every recipe's preparation shares."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from camser import audio
from camser.data.manifest import DataFolder, ManifestError, Utterance, audio_path, write_manifest
from camser.runtime.digests import add_digest, digest, read_json_with_digest
from camser.runtime.files import atomic_write

logger = logging.getLogger(__name__)
PREPARE_KEYS = ("data_folder", "prepared_folder", "labels", "merge", "allow_missing")
Counts = Mapping[str, Mapping[str, int]]
CorpusScanner = Callable[[Path], "CorpusScan"]  # a recipe's reading of a corpus folder


class CorpusError(ValueError):
    """A corpus folder in which something is missing or broken; the message lists everything."""


class CorpusScan(NamedTuple):
    """What a recipe finds in a corpus folder.

    Arguments
    ---------
    utterances : list of Utterance
        All that is annotated, whatever its emotion, under emotion names that corpora share
        (angry, happy, excited, sad, neutral, …); ``seconds`` and ``digest`` are filled in later.
    problems : list of str
        What is wrong, one line each, naming the file.
    expected : mapping
        Utterances by group (a session, or the corpus) and label, where they are known.
    expected_merge : mapping
        The merging of emotions that these numbers are for.
    """

    utterances: list[Utterance]
    problems: list[str]
    expected: Counts = MappingProxyType({})
    expected_merge: Mapping[str, str] = MappingProxyType({})


def prepare(
    scan: CorpusScanner | Mapping[str, CorpusScanner],
    data_folder: DataFolder,
    prepared_folder: str | Path,
    labels: Sequence[str],
    merge: Mapping[str, str],
    allow_missing: bool = False,
) -> list[Utterance]:
    """Scan a corpus, or several, check every recording, and write ``manifest.csv``.

    Every file is decoded once; ``audio.json`` keeps what was found until its size or time changes.

    Arguments
    ---------
    scan : callable, or mapping of str to callable
        The recipe's: a data folder to a ``CorpusScan``; or several corpora's, by name.
    data_folder : str, Path or mapping of str to those
        The corpus; or as for ``prepare_several``.
    prepared_folder : str or Path
        Where the files are written.
    labels : sequence of str
        The emotions wanted.
    merge : mapping of str to str
        Emotions that count as another, e.g. excited as happy.
    allow_missing : bool
        Go on with what is there instead of raising.

    Returns
    -------
    list of Utterance

    Raises
    ------
    CorpusError
        If anything is missing or broken; all of it at once, with a table of found / expected.
    """
    if isinstance(scan, Mapping):
        return prepare_several(scan, data_folder, prepared_folder, labels, merge, allow_missing)
    if not isinstance(data_folder, (str, Path)) or not Path(data_folder).is_dir():
        raise CorpusError(f"{data_folder} is not a folder; data_folder must hold the corpus")
    data_folder = Path(data_folder)
    found = scan(data_folder)
    named = [replace(u, emotion=merge.get(u.emotion, u.emotion)) for u in found.utterances]
    wanted = [u for u in named if u.emotion in labels]
    utterances, broken = _measure_audio(wanted, data_folder, Path(prepared_folder) / "audio.json")
    problems = [*found.problems, *broken]
    table, differs = _compare(utterances, _expected(found, merge), labels)
    if problems or differs:
        message = _message(data_folder, problems, table)
        if not allow_missing:
            raise CorpusError(f"{message}\nallow_missing: true goes on with what is there")
        logger.warning(message)
    empty = [label for label in labels if label not in {u.emotion for u in utterances}]
    if empty:
        raise CorpusError(f"{data_folder}: no utterance of {', '.join(empty)}; labels is {labels}")
    write_manifest(Path(prepared_folder) / "manifest.csv", utterances)
    return utterances


def prepare_several(
    scans: Mapping[str, CorpusScanner],
    data_folder: DataFolder | Mapping[str, str | Path | None],
    prepared_folder: str | Path,
    labels: Sequence[str],
    merge: Mapping[str, str],
    allow_missing: bool = False,
) -> list[Utterance]:
    """Prepare several corpora, each in a folder of its name, and join them in ``manifest.csv``.

    Arguments
    ---------
    scans : mapping of str to callable
        What the recipe can read, by the corpus's name.
    data_folder : mapping of str to str, Path or None
        Where each corpus lies that takes part; one without a folder is left out.
    prepared_folder, labels, merge, allow_missing
        As for ``prepare``. Every corpus must have every emotion of ``labels``.

    Returns
    -------
    list of Utterance
        Corpus after corpus, in the order of ``scans``.

    Raises
    ------
    CorpusError
        If a corpus is unknown or none takes part, if a name does not carry its corpus, or if
        anything is missing or broken in any of them; all of it at once.
    """
    joined, problems = [], []
    for corpus, folder in _selected_folders(scans, data_folder).items():
        own = Path(prepared_folder) / corpus
        try:
            part = prepare(scans[corpus], folder, own, labels, merge, allow_missing)
        except (CorpusError, ManifestError) as error:
            problems.append(f"{corpus}: {error}")
            continue
        problems += _ids_without_corpus(part, corpus)
        joined += part
    if problems:
        raise CorpusError("\n".join(problems))
    write_manifest(Path(prepared_folder) / "manifest.csv", joined)
    return joined


def _selected_folders(
    scans: Mapping[str, CorpusScanner], data_folder: object
) -> dict[str, str | Path]:
    """The folders of the corpora that take part."""
    given = data_folder if isinstance(data_folder, Mapping) else {}
    unknown = ", ".join(repr(corpus) for corpus in given if corpus not in scans)
    if unknown:
        raise CorpusError(f"data_folder: no corpus {unknown}; allowed: {', '.join(scans)}")
    chosen = {c: given[c] for c in scans if given.get(c) not in (None, "")}
    if not chosen:
        table = ", ".join(f"{corpus}: …" for corpus in scans)
        raise CorpusError(
            f"data_folder is {data_folder!r}; it must be a table that gives corpora their folders: "
            f'--data_folder="{{{table}}}", or only those that take part'
        )
    return chosen


def _ids_without_corpus(utterances: Sequence[Utterance], corpus: str) -> list[str]:
    """Names that could also be another corpus's; up to five."""
    names = {name for u in utterances for name in (f"{u.corpus}/", u.id, u.speaker)}
    wrong = sorted(name for name in names if not name.startswith(f"{corpus}/"))
    return [f"{corpus}: the name {name!r} must begin with '{corpus}/'" for name in wrong[:5]]


def _expected(found: CorpusScan, merge: Mapping[str, str]) -> Counts:
    """The known numbers, where they are for this merging of the emotions that the corpus has."""
    known = {*found.expected_merge, *(u.emotion for u in found.utterances)}
    here = {old: new for old, new in merge.items() if old in known}
    return found.expected if here == dict(found.expected_merge) else {}


def _measure_audio(
    utterances: Sequence[Utterance], data_folder: Path, cache: Path
) -> tuple[list[Utterance], list[str]]:
    """The utterances with their lengths and digests, and what is wrong with the others."""
    known = (read_json_with_digest(cache) or {"files": {}})["files"]  # it only saves time
    checked, good, problems = {}, [], []
    for u in utterances:
        try:
            path = audio_path(data_folder, u)
            state = _size_and_mtime(path)
            entry: list | None = known.get(str(path))
            if not entry or entry[:2] != state:
                entry = [*state, audio.count_samples(path) / audio.SAMPLE_RATE, digest(path)]
        except (audio.AudioError, ManifestError) as error:
            problems.append(str(error))
            continue
        checked[str(path)] = entry
        good.append(replace(u, seconds=entry[2], digest=entry[3]))
    if not checked.items() <= known.items():
        with atomic_write(cache) as file:
            json.dump(add_digest({"files": {**known, **checked}}), file)
    return good, problems


def _size_and_mtime(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        raise audio.AudioError(f"{path}: there is no such file") from None
    return [status.st_size, status.st_mtime_ns]


def _compare(
    utterances: Sequence[Utterance], expected: Counts, labels: Sequence[str]
) -> tuple[str, bool]:
    """A table of found / expected by group and label, and whether they differ."""
    found = Counter((u.session or u.corpus, u.emotion) for u in utterances)
    groups = sorted(set(expected) | {group for group, _ in found})
    rows, differs = [["", *labels]], False
    for group in groups:
        cells = [group]
        for label in labels:
            known = expected.get(group, {}).get(label)
            here = found[group, label]
            differs |= known is not None and known != here
            cells.append(str(here) if known is None else f"{here}/{known}")
        rows.append(cells)
    width = max(len(cell) for row in rows for cell in row) + 2
    return "\n".join("".join(f"{cell:>{width}}" for cell in row) for row in rows), differs


def _message(data_folder: Path, problems: Sequence[str], table: str) -> str:
    shown = "".join(f"\n  {problem}" for problem in problems[:50])
    more = f"\n  … and {len(problems) - 50} more" if len(problems) > 50 else ""
    return (
        f"{data_folder}: {len(problems)} problems{':' if problems else ''}{shown}{more}\n"
        f"utterances found/expected:\n{table}"
    )
