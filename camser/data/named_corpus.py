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
from camser.data.manifest import Utterance
from camser.data.prepare import CorpusError, CorpusScan
from camser.data.tables.folders import AUDIO
from camser.runtime.safe_io import mismatch, read_text

Field = str | dict[str, str | list[str]]
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
    speakers : int
        How many.
    name : str
        A regular expression for the end of a recording's path, without its suffix; case does not
        matter. Its groups are named as ``speaker``, ``emotion`` and other fields of ``Utterance``;
        ``id`` is by default the file's name.
    example : str
        A name that matches.
    counts : dict of str to int
        The published numbers of utterances by emotion.
    emotion, gender, session, dialogue, style, text, language, split : str or dict
        A value for all utterances; or values, each with its code or codes: what the group of that
        name matches or, without such a group, the speaker. By default what the group matches.
    """

    corpus: str
    title: str
    license: str
    url: str
    unpack: str
    languages: list[str]
    speakers: int
    name: str
    example: str
    counts: dict[str, int]
    emotion: Field
    gender: Field = ""
    session: Field = ""
    dialogue: Field = ""
    style: Field = "acted"
    text: Field = ""
    language: Field = ""
    split: Field = ""

    def match(self, path: str) -> dict[str, str] | None:
        """The groups of a recording's path; None if it is not named as this corpus's are."""
        stem = os.path.splitext(path)[0]
        match = re.fullmatch(f"(?:.*/)?(?:{self.name})", stem, re.IGNORECASE | re.ASCII)
        return {"id": stem.rpartition("/")[2], **match.groupdict("")} if match else None

    def scan(self, data_folder: Path) -> CorpusScan:
        """Find every recording, at any depth and in any format.

        Raises
        ------
        CorpusError
            If there is none.
        """
        folder, found = CorpusFolder(data_folder), dict[str, Utterance]()
        place, warnings = folder.path.absolute().as_posix(), []
        for path in sorted(folder.files(AUDIO), key=lambda path: not path.lower().endswith(".wav")):
            groups = self.match(f"{place}/{path}")
            if not groups:
                why = f"is not named as a recording of {self.corpus}, e.g. {self.example}"
            elif groups["id"].casefold() in found:
                why = "is a second copy of a recording"
            else:
                found[groups["id"].casefold()] = self._utterance(path, groups)
                continue
            warnings.append(f"{folder.path / path}: {why}; it is not used")
        if not found and not folder.problems:
            raise CorpusError(
                f"{data_folder} holds no recording of {self.corpus}, named as {self.example}; "
                f"data_folder must be the folder that holds {self.unpack}"
            )
        utterances = sorted(found.values(), key=lambda u: u.path)
        if len(utterances) < sum(self.counts.values()):
            warnings += [*self._beside(folder.path.absolute()), *self._uneven(utterances)]
        counts = {self.corpus: self.counts}
        return CorpusScan(utterances, folder.problems, counts, warnings=warnings)

    def _utterance(self, path: str, groups: dict[str, str]) -> Utterance:
        speaker = groups.get("speaker", "")
        values: dict[str, Any] = {field: self._value(field, groups) for field in FIELDS}
        return Utterance(
            id=f"{self.corpus}/{groups['id']}",
            corpus=self.corpus,
            path=path,
            seconds=0.0,
            speaker=f"{self.corpus}/{speaker}" if speaker else "",
            **values,
        )

    def _value(self, field: str, groups: dict[str, str]) -> str:
        values, code = getattr(self, field), groups.get(field)
        if isinstance(values, str):
            return code or values
        code = groups.get("speaker", "") if code is None else code
        return next((value for value, codes in values.items() if _is_among(code, codes)), code)

    def _beside(self, folder: Path) -> Iterator[str]:
        """A hint if folders beside the data folder hold recordings too."""
        parent = CorpusFolder(folder.parent)
        others = (n for n, is_folder in parent.entries().items() if is_folder and n != folder.name)
        for other in others:
            names = CorpusFolder(folder.parent / other).entries()
            if any(self.match(f"{folder.parent.as_posix()}/{other}/{name}") for name in names):
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


def _is_among(code: str, codes: str | list[str]) -> bool:
    return code.casefold() in {c.casefold() for c in ([codes] if isinstance(codes, str) else codes)}


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
        if not corpus.match(corpus.example):
            raise ValueError(f"name does not match the example {corpus.example}")
    except (OSError, ValueError, yaml.YAMLError, re.error) as error:
        raise CorpusError(f"{path}: {error}") from error
    return corpus
