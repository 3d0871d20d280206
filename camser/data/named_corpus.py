"""Corpora whose file names say who speaks and how: a YAML declares each, one scan reads all."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from camser.data.corpus_folder import CorpusFolder
from camser.data.label_lists import LabelList
from camser.data.manifest import Utterance
from camser.data.prepare import CorpusError, CorpusScan
from camser.data.tables.folders import AUDIO
from camser.data.tables.table import UNKNOWN
from camser.runtime.safe_io import mismatch, read_text

Codes = str | list[str]  # "*": any other
Field = str | dict[str, Codes]
FIELDS = ("gender", "session", "dialogue", "style", "emotion", "text", "language", "split")


class NamedCorpus(msgspec.Struct, forbid_unknown_fields=True):
    """A corpus, as its YAML declares it.

    Arguments
    ---------
    corpus, title, license, url : str
        Its name here; what it is called, and its source; the terms; where to get it.
    unpack : str
        What the data folder holds, e.g. "Actor_01 … Actor_24".
    languages : list of str
        What is spoken.
    speakers, utterances : int
        How many are published.
    name : str
        A regular expression for the end of a recording's path, without its suffix; case does not
        matter. Its groups are named as ``speaker``, ``emotion`` and other fields of ``Utterance``;
        ``id`` is by default the file's name.
    example : str
        A name that matches.
    counts : dict of str to int
        The published numbers of utterances by emotion; empty if they are not known.
    lists : list of LabelList
        Lists that have what the names do not say.
    absent : list of str
        Ids of these lists whose recordings the release lacks, or has damaged.
    speaker, emotion, gender, session, dialogue, style, text, language, split : str or dict
        A value for all utterances; or values, each with its code or codes: what the group of that
        name matches or, without such a group, the speaker. By default what the group matches. An
        utterance whose ``split`` is none of the values is not used.
    """

    corpus: str
    title: str
    license: str
    url: str
    unpack: str
    languages: list[str]
    speakers: int
    utterances: int
    name: str
    example: str
    emotion: Field
    counts: dict[str, int] = {}
    lists: list[LabelList] = []
    absent: list[str] = []
    speaker: Field = ""
    gender: Field = ""
    session: Field = ""
    dialogue: Field = ""
    style: Field = "acted"
    text: Field = ""
    language: Field = ""
    split: Field = ""

    def scan(self, data_folder: Path) -> CorpusScan:
        """Find every recording, at any depth and in any format, and its labels.

        Raises
        ------
        CorpusError
            If there is none, or a list of labels is missing.
        """
        folder, scan = CorpusFolder(data_folder), CorpusScan([], [], {self.corpus: self.counts})
        paths = self._recordings(folder, scan.warnings)
        if not paths and not folder.problems:
            raise CorpusError(
                f"{data_folder} holds no recording of {self.corpus}, named as {self.example}; "
                f"data_folder must be the folder that holds {self.unpack}"
            )
        groups = self._labels(folder, paths, scan) if self.lists else {key: {} for key in paths}
        for key, labels in groups.items():
            utterance = self.utterance(paths[key], folder.path.absolute().as_posix(), labels)
            if utterance and (utterance.split or not isinstance(self.split, dict)):
                scan.utterances.append(utterance)
            else:
                place = folder.path / paths[key]
                scan.warnings.append(f"{place}: is of a split that is not used")
        scan.utterances.sort(key=lambda u: u.path)
        scan.problems.extend(folder.problems)
        if len(scan.utterances) < sum(self.counts.values()):
            scan.warnings += self._beside(folder.path.absolute())
            scan.warnings += self._uneven(scan.utterances)
        return scan

    def utterance(
        self, path: str, folder: str = "", labels: dict[str, str] | None = None
    ) -> Utterance | None:
        """What a recording's path says, and its labels; None if it is named otherwise.

        The path is relative to a folder, which may belong to the name.
        """
        groups = self._match(f"{folder}/{path}")
        if groups is None:
            return None
        groups |= labels or {}
        speaker = self._value("speaker", groups)
        values: dict[str, Any] = {field: self._value(field, groups) for field in FIELDS}
        return Utterance(
            id=f"{self.corpus}/{groups['id']}",
            corpus=self.corpus,
            path=path,
            seconds=0.0,
            speaker=f"{self.corpus}/{speaker}" if speaker else "",
            **values,
        )

    def _match(self, path: str) -> dict[str, str] | None:
        stem = os.path.splitext(path)[0]
        match = re.fullmatch(f"(?:.*/)?(?:{self.name})", stem, re.IGNORECASE | re.ASCII)
        if not match:
            return None
        groups = {"id": stem.rpartition("/")[2], **match.groupdict("")}
        return groups | {"id": groups["id"].replace("/", "_")}

    def _value(self, field: str, groups: dict[str, str]) -> str:
        values, code = getattr(self, field), groups.get(field)
        if field in ("speaker", "gender") and code and code.casefold() in UNKNOWN:
            code = ""
        if isinstance(values, str):
            return code or values
        code = groups.get("speaker", "") if code is None else code
        found = (value for value, codes in values.items() if _is_among(code, codes))
        return next(found, code if field in ("emotion", "speaker", "text") else "")

    def _recordings(self, folder: CorpusFolder, warnings: list[str]) -> dict[str, str]:
        """The paths of the recordings by their ids in lower case; of several, the WAV."""
        place, found = folder.path.absolute().as_posix(), dict[str, str]()
        for path in sorted(folder.files(AUDIO), key=lambda path: not path.lower().endswith(".wav")):
            groups = self._match(f"{place}/{path}")
            if not groups:
                why = f"is not named as a recording of {self.corpus}, e.g. {self.example}"
            elif groups["id"].casefold() in found:
                why = "is a second copy of a recording"
            else:
                found[groups["id"].casefold()] = path
                continue
            warnings.append(f"{folder.path / path}: {why}; it is not used")
        return found

    def _labels(
        self, folder: CorpusFolder, paths: dict[str, str], scan: CorpusScan
    ) -> dict[str, dict[str, str]]:
        """The fields of each recording of the lists, by its id in lower case."""
        found: dict[str, dict[str, str]] = {}
        absent = {name.casefold() for name in self.absent}
        try:
            rows = [row for labels in self.lists for row in labels.rows(folder)]
        except ValueError as error:
            raise CorpusError(str(error)) from error
        for place, row in rows:
            if isinstance(row, str):
                scan.problems.append(f"{place}: {row}")
                continue
            fields = dict(row)
            stem, suffix = os.path.splitext(fields.pop("id"))
            key = (stem if suffix.lower() in AUDIO else stem + suffix).replace("/", "_").casefold()
            if key in paths and key not in absent:
                found[key] = fields
            elif key not in absent:
                scan.problems.append(f"{place}, {stem}: there is no such recording")
        for key, path in paths.items():
            if key not in found:
                scan.warnings.append(f"{folder.path / path}: has no label; it is not used")
        return found

    def _beside(self, folder: Path) -> Iterator[str]:
        """A hint if folders beside the data folder hold recordings too."""
        parent = CorpusFolder(folder.parent)
        others = (n for n, is_folder in parent.entries().items() if is_folder and n != folder.name)
        for other in others:
            names = CorpusFolder(folder.parent / other).entries()
            if any(self._match(f"{folder.parent.as_posix()}/{other}/{name}") for name in names):
                yield f"{folder.parent / other}: holds such recordings too; try {folder.parent}"
                return

    def _uneven(self, utterances: list[Utterance]) -> Iterator[str]:
        """The speakers with fewer utterances than most, where all should have as many."""
        speakers = {u.speaker for u in utterances}
        if len(speakers) < self.speakers:
            yield f"{self.corpus}: has recordings of {len(speakers)} of {self.speakers} speakers"
        for emotion, total in self.counts.items():
            each, rest = divmod(total, self.speakers)
            counts = Counter(u.speaker for u in utterances if u.emotion == emotion)
            few = sorted(speaker for speaker in speakers if counts[speaker] < each)
            if not rest and len(few) < len(speakers) / 2:
                yield from (f"{s}, {emotion}: has {counts[s]} of {each} recordings" for s in few)


def _is_among(code: str, codes: Codes) -> bool:
    listed = [codes] if isinstance(codes, str) else codes
    return "*" in listed or code.casefold() in {c.casefold() for c in listed}


def read_corpus(path: Path) -> NamedCorpus:
    """Read a declaration.

    Raises
    ------
    CorpusError
        If it cannot be read, or is not valid.
    """
    try:
        content: Any = yaml.safe_load(read_text(path))
        if problem := mismatch(content, NamedCorpus):
            raise ValueError(problem)
        corpus = msgspec.convert(content, NamedCorpus)
        if not corpus.utterance(corpus.example):
            raise ValueError(f"name does not match the example {corpus.example}")
    except (OSError, ValueError, yaml.YAMLError, re.error) as error:
        raise CorpusError(f"{path}: {error}") from error
    return corpus
