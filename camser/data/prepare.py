"""From a corpus folder to a manifest: the preparation steps shared by all recipes."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from camser import audio
from camser.data.left_out import describe_left_out
from camser.data.manifest import (
    MANIFEST,
    DataFolder,
    ManifestError,
    Utterance,
    audio_path,
    write_manifest,
)
from camser.data.pack import Contents, pack_corpus
from camser.data.summary import Counts, compare_counts, describe_findings, describe_problems
from camser.data.utterance_reader import UtteranceReader
from camser.runtime.digests import add_digest, read_json_with_digest
from camser.runtime.files import atomic_write

logger = logging.getLogger(__name__)
PREPARE_KEYS = ("data_folder", "prepared_folder", "labels", "merge_labels", "allow_missing")
CorpusScanner = Callable[[Path], "CorpusScan"]  # a recipe's reader of a corpus folder


class CorpusError(ValueError):
    """Files of a corpus are missing or invalid; the message lists all problems."""


class CorpusScan(NamedTuple):
    """The content of a corpus folder, as a recipe's scanner returns it.

    Arguments
    ---------
    utterances : list of Utterance
        All annotated utterances of any emotion, under emotion names that corpora share (angry,
        happy, excited, sad, neutral, …). ``seconds`` and ``digest`` are filled in later.
    problems : list of str
        The problems, one line each; each names the file.
    expected : mapping
        The known numbers of utterances by group (a session, or the corpus) and label.
    expected_merge : mapping
        The value of ``merge_labels`` for which these numbers hold.
    """

    utterances: list[Utterance]
    problems: list[str]
    expected: Counts = MappingProxyType({})
    expected_merge: Mapping[str, str] = MappingProxyType({})


class Prepared(NamedTuple):
    """What ``prepare`` returns.

    Arguments
    ---------
    utterances : list of Utterance
        Those of the selected emotions, corpus after corpus.
    left_out : dict of str to int
        The number of utterances of each other emotion, the most frequent first.
    """

    utterances: list[Utterance]
    left_out: dict[str, int]


def prepare(
    scan: CorpusScanner | Mapping[str, CorpusScanner],
    data_folder: DataFolder,
    prepared_folder: str | Path,
    labels: Sequence[str],
    merge_labels: Mapping[str, str],
    allow_missing: bool = False,
) -> Prepared:
    """Scan a corpus, or several, check every recording, and write ``manifest.csv``.

    Every file is decoded once. Its samples are stored for training, see ``PackedAudio``; its length
    and checksum in ``audio.json``, until its size or modification time changes. Recordings that
    look wrong (silent, clipped, without speech, duplicate, …) are used, and the log lists them.

    Arguments
    ---------
    scan : callable, or mapping of str to callable
        The recipe's scanner, which reads a data folder into a ``CorpusScan``; or the scanners of
        several corpora, by name.
    data_folder : str, Path or mapping of str to those
        The corpus; or the folder of each corpus to use, by name. A corpus without a folder is
        left out.
    prepared_folder : str or Path
        The output folder.
    labels : sequence of str
        The emotions to select.
    merge_labels : mapping of str to str
        Emotions to relabel as another, e.g. excited as happy.
    allow_missing : bool
        Continue with the files that are present instead of raising.

    Returns
    -------
    Prepared
        Its corpora are in the order of ``scan``.

    Raises
    ------
    CorpusError
        If anything is missing or invalid; lists all problems, with a table of found / expected.
    """
    if isinstance(scan, Mapping):
        options = labels, merge_labels, allow_missing
        return _prepare_several(scan, data_folder, prepared_folder, *options)
    if not isinstance(data_folder, (str, Path)) or not Path(data_folder).is_dir():
        raise CorpusError(f"{data_folder} is not a folder; data_folder must hold the corpus")
    data_folder = Path(data_folder)
    corpus = scan(data_folder)
    merged = [replace(u, emotion=merge_labels.get(u.emotion, u.emotion)) for u in corpus.utterances]
    selected = [u for u in merged if u.emotion in labels]
    others = Counter(u.emotion for u in merged if u.emotion not in labels)
    utterances, invalid, contents = _read_audio(selected, data_folder, Path(prepared_folder))
    problems = [*corpus.problems, *invalid]
    left_out = describe_left_out(others, labels)[0]
    table, differs = compare_counts(utterances, expected_counts(corpus, merge_labels), labels)
    findings = describe_findings(utterances, contents)
    if problems or differs:
        message = describe_problems(data_folder, problems, table, left_out, findings)
        if not allow_missing:
            raise CorpusError(f"{message}\nto use only the valid files, set allow_missing: true")
        logger.warning(message)
    elif findings:
        logger.warning("%s: %s", data_folder, findings)
    empty = [label for label in labels if label not in {u.emotion for u in utterances}]
    if empty:
        message = f"{data_folder}: no utterance of {', '.join(empty)}; labels is {labels}"
        raise CorpusError(f"{message}\n{left_out}".strip())
    write_manifest(Path(prepared_folder) / MANIFEST, utterances)
    return Prepared(utterances, dict(others.most_common()))


def _prepare_several(
    scans: Mapping[str, CorpusScanner], data_folder: Any, prepared_folder: str | Path, *options: Any
) -> Prepared:
    """Prepare each corpus in a folder of its name, and join them in ``manifest.csv``."""
    joined, problems, left_out = [], [], Counter[str]()
    for corpus, folder in _selected_folders(scans, data_folder).items():
        subfolder = Path(prepared_folder) / corpus
        try:
            utterances, other = prepare(scans[corpus], folder, subfolder, *options)
        except (CorpusError, ManifestError) as error:
            problems.append(f"{corpus}: {error}")
            continue
        names = {name for u in utterances for name in (f"{u.corpus}/", u.id, u.speaker) if name}
        wrong = sorted(name for name in names if not name.startswith(f"{corpus}/"))[:5]
        problems += [f"{corpus}: the name {name!r} must begin with '{corpus}/'" for name in wrong]
        joined += utterances
        left_out.update(other)
    if problems:
        raise CorpusError("\n".join(problems))
    write_manifest(Path(prepared_folder) / MANIFEST, joined)
    return Prepared(joined, dict(left_out.most_common()))


def _selected_folders(
    scans: Mapping[str, CorpusScanner], data_folder: object
) -> dict[str, str | Path]:
    """The folders of the corpora to use."""
    folders = data_folder if isinstance(data_folder, Mapping) else {}
    unknown = ", ".join(repr(corpus) for corpus in folders if corpus not in scans)
    if unknown:
        raise CorpusError(f"data_folder: no corpus {unknown}; allowed: {', '.join(scans)}")
    selected = {c: folders[c] for c in scans if folders.get(c) not in (None, "")}
    if not selected:
        table = ", ".join(f"{corpus}: …" for corpus in scans)
        raise CorpusError(
            f"data_folder is {data_folder!r}; it must be a table of corpora and their folders: "
            f'--data_folder="{{{table}}}", or only the corpora to use'
        )
    return selected


def expected_counts(corpus: CorpusScan, merge_labels: Mapping[str, str]) -> Counts:
    """The expected counts, if they hold for ``merge_labels``, without absent emotions."""
    known = {*corpus.expected_merge, *(u.emotion for u in corpus.utterances)}
    applied = {old: new for old, new in merge_labels.items() if old in known}
    return corpus.expected if applied == dict(corpus.expected_merge) else {}


def _read_audio(
    utterances: Sequence[Utterance], data_folder: Path, prepared_folder: Path
) -> tuple[list[Utterance], list[str], dict[str, Contents]]:
    """The valid utterances with lengths and checksums, the problems of the others, and contents.

    If a file is new or has changed, all files are decoded into a new pack.
    """
    cache = prepared_folder / "audio.json"
    cached = (read_json_with_digest(cache) or {"files": {}})["files"]
    states: dict[str, list] = {}  # file and span, size and modification time, by utterance
    reader = UtteranceReader(data_folder)
    unchanged: list[Utterance] = []
    contents: dict[str, Contents] = {}
    problems: list[str] = []
    for u in utterances:
        try:
            path = audio_path(data_folder, u)
            if not path.is_file():
                raise audio.AudioError(f"{path}: there is no such file")
            span = f", {u.start} s to {u.end} s" if u.is_cut else ""
            state = [f"{path}{span}", path.stat().st_size, path.stat().st_mtime_ns]
            *same, seconds, checksum, known = cached.get(state[0], [None] * 3)
            if same == state[1:] and seconds is None:  # it could not be decoded last time
                reader.read(u)
            states[u.id] = state
            if same == state[1:] and seconds:
                unchanged.append(replace(u, seconds=seconds, digest=checksum))
                contents[u.id] = Contents(*known)
        except (audio.AudioError, ManifestError) as error:
            problems.append(str(error))
    problems = list(dict.fromkeys(problems))  # a file may hold many utterances
    if len(unchanged) == len(states):
        return unchanged, problems, contents
    present = [u for u in utterances if u.id in states]
    valid, unreadable, contents = pack_corpus(present, data_folder, prepared_folder)
    measured = {u.id: [u.seconds, u.digest, contents[u.id]] for u in valid}
    new = {s[0]: [*s[1:], *measured.get(name, [None] * 3)] for name, s in states.items()}
    with atomic_write(cache) as file:
        json.dump(add_digest({"files": {**cached, **new}}), file)
    return valid, problems + unreadable, contents
