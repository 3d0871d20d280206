"""From a corpus folder to a manifest: the preparation steps shared by all recipes."""

from __future__ import annotations

import inspect
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from camser.data.check_audio import check_audio
from camser.data.corpus_folder import folder_hint
from camser.data.left_out import describe_left_out, select_utterances
from camser.data.manifest import MANIFEST, DataFolder, ManifestError, Utterance, write_manifest
from camser.data.problems import Problems
from camser.data.summary import Counts, compare_counts, describe_findings
from camser.runtime.files import atomic_write

logger = logging.getLogger(__name__)
PREPARE_KEYS = ("data_folder", "prepared_folder", "labels", "merge_labels", "allow_missing")
PROBLEMS = "problems.txt"  # in the prepared folder: those that a message leaves out
# A recipe's reader of a corpus folder. It may take settings of the recipe, by their names.
CorpusScanner = Callable[..., "CorpusScan"]


class CorpusError(ValueError):
    """Files of a corpus are missing or invalid; the message lists all problems."""


@dataclass
class CorpusScan:
    """The content of a corpus folder, as a recipe's scanner returns it.

    Arguments
    ---------
    utterances : list of Utterance
        All annotated utterances of any emotion, under emotion names that corpora share (angry,
        happy, excited, sad, neutral, …). ``seconds`` and ``digest`` are filled in later.
    problems : list of str
        What is missing or wrong: "place: reason", a line each.
    expected : mapping
        The known numbers of utterances by group (a session, or the corpus) and label.
    expected_merge : mapping
        The value of ``merge_labels`` for which these numbers hold.
    warnings : list of str
        What is odd and no reason to refuse the corpus, such as recordings that are not used.
    """

    utterances: list[Utterance]
    problems: list[str]
    expected: Counts = field(default_factory=dict)
    expected_merge: Mapping[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


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


def scanner_keys(scan: CorpusScanner) -> list[str]:
    """The settings that a scanner takes besides the folder.

    Example
    -------
    >>> scanner_keys(lambda data_folder, emobox: CorpusScan([], []))
    ['emobox']
    """
    return list(inspect.signature(scan).parameters)[1:]


def prepare_settings(
    scan: CorpusScanner | Mapping[str, CorpusScanner], values: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of ``prepare`` among a recipe's values, and those of the scanner."""
    names = [*PREPARE_KEYS, *([] if isinstance(scan, Mapping) else scanner_keys(scan))]
    return {**{name: values[name] for name in names}, "styles": values.get("styles")}


def prepare(
    scan: CorpusScanner | Mapping[str, CorpusScanner],
    data_folder: DataFolder,
    prepared_folder: str | Path,
    labels: Sequence[str],
    merge_labels: Mapping[str, str],
    allow_missing: bool = False,
    styles: Sequence[str] | None = None,
    **settings: Any,
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
    styles : sequence of str, optional
        Only utterances of these are used; by default of all, known or not.
    **settings
        Those that the scanner takes besides the folder, see ``scanner_keys``.

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
        options = labels, merge_labels, allow_missing, styles
        return _prepare_several(scan, data_folder, prepared_folder, *options)
    data_folder = _readable_folder(data_folder)
    corpus = scan(data_folder, **settings)
    selected, others = select_utterances(corpus.utterances, labels, merge_labels, styles)
    utterances, invalid, contents = check_audio(selected, data_folder, Path(prepared_folder))
    problems = Problems([*corpus.problems, *invalid])
    left_out = describe_left_out(others, labels)[0]
    expected = {} if styles else expected_counts(corpus, merge_labels)
    table, differs = compare_counts(utterances, expected, labels)
    warnings = "\n".join(Problems(corpus.warnings).lines())
    findings = describe_findings(utterances, contents)
    if problems or differs:
        summary = f"{data_folder}: {problems or 'not the expected numbers'}"
        counts = f"utterances found/expected:\n{table}"
        message = _paragraphs(summary, warnings, counts, left_out, findings)
        if len(problems.lines()) < len(problems):
            path = Path(prepared_folder) / PROBLEMS
            with atomic_write(path) as file:
                file.writelines(f"{problem}\n" for problem in (*corpus.problems, *invalid))
            message += f"\nall problems: {path}"
        if not allow_missing:
            raise CorpusError(f"{message}\nto use only the valid files, set allow_missing: true")
        logger.warning(message)
    elif findings or warnings:
        logger.warning("%s: %s", data_folder, _paragraphs(findings, warnings))
    empty = [label for label in labels if label not in {u.emotion for u in utterances}]
    if empty:
        message = f"{data_folder}: no utterance of {', '.join(empty)}; labels is {labels}"
        raise CorpusError(f"{message}\n{left_out}".strip())
    write_manifest(Path(prepared_folder) / MANIFEST, utterances)
    return Prepared(utterances, dict(others.most_common()))


def _readable_folder(path: object) -> Path:
    """A folder of the command line; "~" is the home folder."""
    if not isinstance(path, (str, Path)):
        raise CorpusError(f"data_folder is {path!r}; it must be the folder that holds the corpus")
    folder = Path(path).expanduser().absolute()
    try:
        os.scandir(folder).close()
    except (FileNotFoundError, NotADirectoryError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else "is not a folder"
        hint = folder_hint(folder, lambda near: near.path.name.casefold() == folder.name.casefold())
        raise CorpusError(f"{folder} {reason}; data_folder must hold the corpus{hint}") from error
    except OSError as error:
        raise CorpusError(f"{folder}: cannot be read: {error.strerror}") from error
    return folder


def _paragraphs(*texts: str) -> str:
    return "\n".join(filter(None, texts))


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
