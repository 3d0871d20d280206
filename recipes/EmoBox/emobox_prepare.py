"""EmoBox's metadata (Ma et al., 2024) to utterances: labels and folds of 32 corpora.

The recordings are found by their names below the data folder, in any format. Who speaks is known
from a corpus's file names, where ``camser:Corpora`` declares them, or from ``data.seg.wrd.stm``.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import soundfile

from camser.config.command_line import split_arguments
from camser.config.recipes import RECIPES
from camser.data.corpus_folder import CorpusFolder
from camser.data.manifest import Utterance
from camser.data.named_corpus import read_corpus
from camser.data.prepare import CorpusError, CorpusScan
from camser.data.tables import emobox as metadata
from camser.data.tables.columns import TableError
from camser.data.tables.folders import AUDIO
from camser.data.tables.text_files import read_json_lines
from camser.registry import did_you_mean
from camser.runtime.safe_io import read_json, read_text

# The names that our corpora share, where EmoBox has others.
EMOTIONS = {
    "anger": "angry",
    "boredom": "bored",
    "disgust": "disgusted",
    "fear": "fearful",
    "surprise": "surprised",
}
MAX_DIFFERENCE = 0.1  # seconds
SPEAKER = re.compile(r"<id=([^,>]+),[^>]*\bspk=([^,>]+)")


def scan(
    data_folder: Path, emobox: str, corpus: str, target_corpus: str | None = None
) -> CorpusScan:
    """Read a corpus, and the reduced test set of another if there is a target.

    Arguments
    ---------
    data_folder : Path
        The folder with the recordings, at any depth below.
    emobox : str
        A clone of EmoBox's repository.
    corpus, target_corpus : str
        Their names in EmoBox, e.g. emodb.

    Raises
    ------
    CorpusError
        If there is no such corpus, or its metadata cannot be read.
    """
    found = CorpusScan([], [])
    try:
        found.utterances += _read_corpus(Path(emobox), corpus, data_folder, found)
        if target_corpus:
            found.utterances += _reduced(Path(emobox), target_corpus, data_folder, found)
    except (TableError, OSError, ValueError) as error:
        raise CorpusError(str(error)) from error
    return found


def add_labels(arguments: Sequence[str]) -> list[str]:
    """A command line with --labels: those of its --corpus, or of its --target_corpus's test set."""
    _, given, _ = split_arguments(arguments)
    if "labels" in given or not {"emobox", "corpus"} <= given.keys():
        return list(arguments)
    emobox, corpus, target = Path(given["emobox"]), given["corpus"], given.get("target_corpus")
    try:
        rows = _rows(_folder(emobox, target or corpus))
        tested = (
            [_emotion(row["label"], {}) for row in _selection(emobox, target)] if target else []
        )
        names = tested or [
            _emotion(metadata.emotion_of(r), _label_map(emobox, corpus)) for r in rows
        ]
    except (TableError, OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    return [*arguments, f"--labels=[{', '.join(sorted(set(names)))}]"]


def _folder(emobox: Path, corpus: str) -> Path:
    data = emobox.expanduser() / "data"
    names = sorted(path.name for path in data.glob("*") if metadata.is_emobox(path))
    if corpus not in names:
        has = f"it has: {', '.join(names)}" if names else "it is no clone of EmoBox's repository"
        raise CorpusError(f"{emobox}: no corpus {corpus!r}; {has}.{did_you_mean(corpus, names)}")
    return data / corpus


def _rows(folder: Path) -> list[dict]:
    rows = list(metadata.read(folder).rows)
    for line, row in rows:
        if isinstance(row, str) or "key" not in row or not metadata.file_of(row):
            raise CorpusError(f"{folder}, line {line}: {row!r:.80} names no recording")
    return [row for _, row in rows]


def _label_map(emobox: Path, corpus: str) -> dict[str, str]:
    """Its names by those of the rows, without regard to case: EmoDB's has Neutral for neutral."""
    path = _folder(emobox, corpus) / "label_map.json"
    content = read_json(path) if path.is_file() else {}
    return {str(name).casefold(): str(value) for name, value in dict(content).items()}


def _emotion(name: str, label_map: dict[str, str]) -> str:
    name = label_map.get(name.casefold(), name).casefold()
    return EMOTIONS.get(name, name)


def _read_corpus(
    emobox: Path, corpus: str, data_folder: Path, found: CorpusScan
) -> list[Utterance]:
    folder = _folder(emobox, corpus)
    rows, label_map = _rows(folder), _label_map(emobox, corpus)
    describe, speakers = _namer(corpus), _speakers(folder)
    recordings = _Recordings(data_folder, [metadata.file_of(row) for row in rows])
    utterances = []
    for row in rows:
        file, key = metadata.file_of(row), row["key"]
        path = recordings.find(file)
        if path and (warning := _check_length(data_folder / path, row)):
            found.warnings.append(warning)
        described = describe(file) or Utterance("", corpus, file, 0.0, style="")
        speaker = f"{corpus}/{speakers[key]}" if key in speakers else ""
        utterances.append(
            replace(
                described,
                id=f"{corpus}/{key}",
                path=path or file,
                speaker=described.speaker or speaker,
                emotion=_emotion(metadata.emotion_of(row), label_map),
                split=row["split"],
            )
        )
    found.problems.extend(recordings.folder.problems)
    found.warnings.extend(_check_folds(folder, rows))
    return utterances


def _namer(corpus: str):
    """What says of a path who speaks; nothing where no file of ``camser:Corpora`` declares it."""
    path = RECIPES / f"Corpora/corpora/{corpus}.yaml"
    return read_corpus(path).utterance if path.is_file() else lambda file: None


def _speakers(folder: Path) -> dict[str, str]:
    """The speakers by key, as EmoBox's list of segments says; empty without it."""
    path = folder / "data.seg.wrd.stm"
    return dict(SPEAKER.findall(read_text(path))) if path.is_file() else {}


def _check_length(path: Path, row: dict) -> str | None:
    """Whether a recording is another than EmoBox's, as a copy is that was cut or padded."""
    try:
        seconds = soundfile.info(path).duration
    except soundfile.SoundFileError:  # of other formats the length is not at hand
        return None
    length = row.get("length") or seconds
    if abs(seconds - length) <= MAX_DIFFERENCE:
        return None
    return f"{path}, {seconds:.2f} s for {length:.2f} s: is not as long as EmoBox's recording"


def _check_folds(folder: Path, rows: list[dict]) -> list[str]:
    """Where a fold does not train on all that it does not test: camser's protocols do."""
    training = metadata.read_training(folder)
    if len(training) < 2:
        return []
    return [
        f"{folder / fold}: its training file differs from all that is not tested"
        for fold, keys in training.items()
        if keys != {row["key"] for row in rows if row["split"] != fold}
    ]


class _Recordings:
    """The recordings below a folder, found by the ends of their paths; formats do not matter."""

    def __init__(self, data_folder: Path, files: list[str]) -> None:
        self.folder = CorpusFolder(data_folder)
        self.by_name: dict[str, list[str]] = defaultdict(list)
        top = os.path.commonpath([os.path.dirname(file) for file in files]).split("/")
        tops = filter(None, (self.folder.find("/".join(top[n:])) for n in range(len(top))))
        for path in self.folder.files(AUDIO, next(tops, "")):
            self.by_name[_parts(path)[-1]].append(path)
        for paths in self.by_name.values():
            paths.sort(key=lambda path: not path.lower().endswith(".wav"))

    def find(self, file: str) -> str | None:
        """The recording of this name whose folders are most alike; None without one."""
        wanted = _parts(file)
        paths = self.by_name.get(wanted[-1], [])
        return max(paths, key=lambda path: _common(_parts(path), wanted), default=None)


def _parts(path: str) -> list[str]:
    return os.path.splitext(path)[0].casefold().split("/")


def _common(one: list[str], other: list[str]) -> int:
    """How many parts two paths share at their ends."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _selection(emobox: Path, corpus: str) -> list[dict]:
    """The rows of the reduced test set of a corpus, with the same number of each emotion."""
    folder = CorpusFolder(emobox.expanduser() / "data")
    path = folder.find(f"track2/{corpus}_selected_balenced.jsonl")  # spelled so
    if not path:
        has = [
            n.partition("_")[0].lower() for n in folder.entries(folder.find("track2") or "track2")
        ]
        raise CorpusError(
            f"{emobox}: no reduced test set of {corpus!r}; it has: {', '.join(has) or 'none'}"
        )
    return [row for _, row in read_json_lines(folder.path / path).rows if isinstance(row, dict)]


def _reduced(emobox: Path, corpus: str, data_folder: Path, found: CorpusScan) -> list[Utterance]:
    """The utterances of the reduced test set of a corpus."""
    by_name = defaultdict(list)
    for u in _read_corpus(emobox, corpus, data_folder, found):
        by_name[_squeezed(u.path)[-1]].append(u)
    selected = []
    for row in _selection(emobox, corpus):
        folders, name = _squeezed(row["wav_filename"])
        emotion = _emotion(row["label"], {})
        # Names are those of the metadata, or folder and name joined: JK/sa09 is JK_sa09.
        same = [u for n in (name, folders + name) for u in by_name[n] if u.emotion == emotion]
        if len(same) == 1:
            selected += same
        else:
            number = "several recordings" if same else "no recording"
            found.warnings.append(f"{corpus}, {row['wav_filename']}: is {number} of the metadata")
    return selected


def _squeezed(path: str) -> tuple[str, str]:
    """The last folder and the name of a path, letters and digits alone."""
    parts = ["", *(re.sub(r"\W|_", "", part) for part in _parts(path))]
    return parts[-2], parts[-1]
