#!/usr/bin/env python3
"""Copies of corpora as people have them: what preparation says of each, the tables of a page.

    python bench/corpus_copies.py --output bench/results/corpus_copies.json
    python bench/harness/tables.py docs/corpus_copies.md

Small copies of IEMOCAP, EmoDB, RAVDESS and of a table are made, and changed in one way each.
``--column before`` fills the other column, from an older version of camser.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from harness import tables

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path += [
    str(Path(__file__).parents[1] / f"recipes/{n}") for n in ("IEMOCAP", "EmoDB", "RAVDESS")
]

from camser.data.prepare import CorpusError, CorpusScanner, prepare
from camser.data.synthetic import synthesize_corpus
from camser.data.tables.columns import TableError
from camser.data.tables.read import read_table

LABELS = ("angry", "sad", "happy", "neutral")
NOBODY = 65534
MAX_SHOWN = 240  # characters of a message
DIALOGUE = "Ses01F_impro01"


class Tree(NamedTuple):
    """A changed copy.

    Arguments
    ---------
    corpus : str
        Which corpus.
    name : str
        What is changed.
    change : callable
        Changes the copy in a folder; it may return what ``data_folder`` is.
    """

    corpus: str
    name: str
    change: Callable[[Path], Any]


# Complete copies ------------------------------------------------------------------------------


def iemocap(folder: Path) -> None:
    """80 turns, with the numbers that are expected of them."""
    synthesize_corpus(folder, 2, 8, mean_seconds=0.5)


def emodb(folder: Path) -> None:
    """The 339 names of four classes; which sentences is made up."""
    counts = {"W": 127, "F": 71, "T": 62, "N": 79}
    speakers = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
    for emotion, count in counts.items():
        for number in range(count):
            write(folder / f"wav/{speakers[number % 10]}a{number // 10:02}{emotion}a.wav")


def ravdess(folder: Path) -> None:
    """The 672 names of four classes."""
    for emotion, strength, *others in product((1, 3, 4, 5), (1, 2), (1, 2), (1, 2), range(1, 25)):
        if (emotion, strength) != (1, 2):
            name = "-".join(f"{code:02}" for code in (3, 1, emotion, strength, *others))
            write(folder / f"Actor_{others[-1]:02}/{name}.wav")


def table(folder: Path) -> None:
    """Ten recordings of each of two speakers, with a table."""
    rows = ["file,emotion,speaker"]
    for number in range(20):
        write(folder / f"audio/{number:02}.wav")
        rows.append(f"audio/{number:02}.wav,{LABELS[number % 4]},{'ab'[number // 10]}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


SAMPLES = np.random.default_rng(0).normal(0, 0.1, 1600)


def write(path: Path) -> None:
    """A short recording."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, SAMPLES, 16000)


MAKERS: dict[str, Callable[[Path], None]] = {
    "IEMOCAP": iemocap, "EmoDB": emodb, "RAVDESS": ravdess, "table": table,
}  # fmt: skip


# Changes --------------------------------------------------------------------------------------


def annotation(folder: Path) -> Path:
    """The first dialogue's annotation."""
    return folder / f"Session1/dialog/EmoEvaluation/{DIALOGUE}.txt"


def transcriptions(folder: Path) -> list[Path]:
    """Of all dialogues."""
    return sorted(folder.glob("Session*/dialog/transcriptions/*.txt"))


def turns(path: Path) -> list[int]:
    """The numbers of the lines of an annotation that are turns."""
    return [n for n, line in enumerate(path.read_text().splitlines()) if line.startswith("[")]


def cut(where: int, length: int | None = None) -> Callable[[Path], None]:
    """Cut an annotation before a turn, or so many characters later."""

    def change(folder: Path) -> None:
        path = annotation(folder)
        lines = path.read_text().splitlines(keepends=True)
        index = turns(path)[where]
        path.write_text("".join(lines[:index]) + ("" if length is None else lines[index][:length]))

    return change


def double(emotion: str | None) -> Callable[[Path], None]:
    """Repeat a turn's line, with the same or another emotion."""

    def change(folder: Path) -> None:
        path = annotation(folder)
        lines = path.read_text().splitlines()
        line = lines[turns(path)[0]].split("\t")
        lines.append("\t".join([*line[:2], emotion or line[2], line[3]]))
        path.write_text("\n".join(lines) + "\n")

    return change


def encode(paths: Callable[[Path], Sequence[Path]], encoding: str) -> Callable[[Path], None]:
    """Save text files as an editor of another system does."""

    def change(folder: Path) -> None:
        for path in paths(folder):
            path.write_text(path.read_text(), encoding=encoding)

    return change


def remove(*globs: str) -> Callable[[Path], None]:
    """Delete files or folders."""

    def change(folder: Path) -> None:
        for path in [path for glob in globs for path in sorted(folder.glob(glob))]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def add(*names: str) -> Callable[[Path], None]:
    """Add files with a line of text, recordings, or with a "/" at the end folders."""

    def change(folder: Path) -> None:
        for name in names:
            path = folder / name
            if name.endswith("/"):
                path.mkdir(parents=True)
            elif path.suffix == ".wav":
                write(path)
            else:
                path.write_text("Thank you for downloading.\n")

    return change


def copy(old: str, new: str) -> Callable[[Path], None]:
    """Copy a file or folder, as a file manager or a second unpacking does."""

    def change(folder: Path) -> None:
        source, target = folder / old, folder / new
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(target.parts[-1]))
        else:
            shutil.copy(source, target)

    return change


def rename(glob: str, new: Callable[[str], str]) -> Callable[[Path], None]:
    """Rename all files or folders that match."""

    def change(folder: Path) -> None:
        for path in sorted(folder.glob(glob)):
            path.rename(path.with_name(new(path.name)))

    return change


def forbid(name: str) -> Callable[[Path], None]:
    """Take all permissions of a file or folder away."""
    return lambda folder: (folder / name).chmod(0)


def move_out(name: str) -> Callable[[Path], None]:
    """Move a folder to another place, and link it."""

    def change(folder: Path) -> None:
        elsewhere = folder.with_name("other-disk")
        shutil.move(folder / name, elsewhere / name)
        (folder / name).symlink_to(elsewhere / name)

    return change


def enter(name: str, data_folder: str | None) -> Callable[[Path], str]:
    """Begin from a folder inside."""

    def change(folder: Path) -> str:
        os.chdir(folder / name)
        return data_folder or str(folder / name)

    return change


def go_home(folder: Path) -> str:
    """The corpus is in the home folder."""
    os.environ["HOME"] = str(folder.parent)
    return f"~/{folder.name}"


def nothing(folder: Path) -> None:
    """A complete copy."""


TREES = (
    Tree("IEMOCAP", "complete", nothing),
    Tree("IEMOCAP", "an annotation is cut short between two turns", cut(3)),
    Tree("IEMOCAP", "an annotation is cut short within a line", cut(3, 20)),
    Tree("IEMOCAP", "a line of an annotation is doubled", double(None)),
    Tree("IEMOCAP", "the same, with another emotion", double("dis")),
    Tree("IEMOCAP", "all transcriptions are missing", remove("Session*/dialog/transcriptions")),
    Tree("IEMOCAP", "a transcription is missing", remove("*/dialog/transcriptions/*impro01.txt")),
    Tree("IEMOCAP", "transcriptions in UTF-8 with a mark", encode(transcriptions, "utf-8-sig")),
    Tree("IEMOCAP", "transcriptions in UTF-16", encode(transcriptions, "utf-16")),
    Tree("IEMOCAP", "an annotation in UTF-16", encode(lambda f: [annotation(f)], "utf-16")),
    Tree("IEMOCAP", "an annotation in UTF-16 without a mark",
         encode(lambda f: [annotation(f)], "utf-16-le")),
    Tree("IEMOCAP", "a transcription cannot be read",
         forbid(f"Session1/dialog/transcriptions/{DIALOGUE}.txt")),
    Tree("IEMOCAP", "a session is a link to another disk", move_out("Session1")),
    Tree("IEMOCAP", "empty folders beside the recordings", add("Session1/sentences/wav/new/")),
    Tree("IEMOCAP", "a readme among the annotations",
         add("Session1/dialog/EmoEvaluation/readme.txt")),
    Tree("IEMOCAP", "an annotation is there twice",
         copy(f"Session1/dialog/EmoEvaluation/{DIALOGUE}.txt",
              f"Session1/dialog/EmoEvaluation/{DIALOGUE} (1).txt")),
    Tree("IEMOCAP", "recordings end in .WAV",
         rename("*/sentences/wav/*/S*.wav", lambda name: name.replace(".wav", ".WAV"))),
    Tree("IEMOCAP", "a session in lower case", rename("Session1", str.lower)),
    Tree("IEMOCAP", "a folder of annotations cannot be read",
         forbid("Session1/dialog/EmoEvaluation")),
    Tree("IEMOCAP", "a folder of recordings cannot be read",
         forbid(f"Session1/sentences/wav/{DIALOGUE}")),
    Tree("IEMOCAP", "data_folder=. in the corpus", enter(".", ".")),
    Tree("IEMOCAP", "data_folder=. in a session", enter("Session1", ".")),
    Tree("IEMOCAP", "data_folder=~/…", go_home),
    Tree("IEMOCAP", "data_folder in other letters", lambda f: f.with_name(f.name.upper())),
    Tree("IEMOCAP", "data_folder cannot be read", lambda f: f.chmod(0)),
    Tree("IEMOCAP", "a session is missing", remove("Session4")),
    Tree("IEMOCAP", "a folder of recordings is missing",
         remove(f"Session1/sentences/wav/{DIALOGUE}")),
    Tree("EmoDB", "complete", nothing),
    Tree("EmoDB", "recordings end in .WAV",
         rename("wav/*.wav", lambda name: name.replace(".wav", ".WAV"))),
    Tree("EmoDB", "its folder is WAV", rename("wav", str.upper)),
    Tree("EmoDB", "a readme, and a recording twice", lambda f: [
        add("wav/readme.txt", "erkennung.txt")(f),
        copy("wav/03a00Wa.wav", "wav/03a00Wa (1).wav")(f)]),
    Tree("EmoDB", "a recording of another name", add("wav/99a01Wa.wav")),
    Tree("EmoDB", "a recording is missing", remove("wav/03a00Wa.wav")),
    Tree("EmoDB", "data_folder=. in wav", enter("wav", ".")),
    Tree("EmoDB", "its folder cannot be read", forbid("wav")),
    Tree("EmoDB", "an empty folder", remove("wav")),
    Tree("RAVDESS", "complete", nothing),
    Tree("RAVDESS", "recordings end in .WAV",
         rename("*/*.wav", lambda name: name.replace(".wav", ".WAV"))),
    Tree("RAVDESS", "folders in lower case", rename("Actor_*", str.lower)),
    Tree("RAVDESS", "Kaggle's second copy inside", copy(".", "audio_speech_actors_01-24")),
    Tree("RAVDESS", "songs and videos beside", add(
        "Actor_01/03-02-03-01-01-01-01.wav", "Actor_01/01-01-03-01-01-01-01.mp4")),
    Tree("RAVDESS", "an actor is missing", remove("Actor_07")),
    Tree("RAVDESS", "a recording is missing", remove("Actor_07/03-01-05-02-02-02-07.wav")),
    Tree("RAVDESS", "data_folder=. in an actor's folder", enter("Actor_01", ".")),
    Tree("RAVDESS", "data_folder is a folder above", lambda f: f.parent),
    Tree("table", "complete", nothing),
    Tree("table", "recordings end in .WAV",
         rename("audio/*.wav", lambda name: name.replace(".wav", ".WAV"))),
    Tree("table", "its recordings are missing", remove("audio")),
    Tree("table", "a folder of recordings cannot be read", forbid("audio")),
)  # fmt: skip


# Trials ---------------------------------------------------------------------------------------


def scan_of(corpus: str) -> CorpusScanner:
    """The recipe's reading of a corpus."""
    name = corpus.lower()
    return vars(__import__(f"{name}_prepare"))["scan"]


def outcome(tree: Tree, complete: Path, place: Path) -> str:
    """What preparation says of a changed copy, and how many utterances it takes."""
    folder = place / "data"
    shutil.copytree(complete, folder, copy_function=os.link)
    for path in folder.rglob("*.txt"):  # what is changed in place is a file of its own
        path.write_bytes(unlinked(path))
    told = Messages()
    logging.getLogger("camser").addHandler(told)
    home, here = os.environ["HOME"], Path.cwd()
    try:
        data_folder = tree.change(folder)
        if not isinstance(data_folder, (str, Path)):
            data_folder = folder
        labels, merged = list(LABELS), {"excited": "happy"}
        with unprivileged():
            if tree.corpus == "table":
                found = read_table(Path(data_folder) / "labels.csv", labels=labels)
                taken = prepare(found, found.data_folder, place / "prepared", labels, {})
            else:
                merged = merged if tree.corpus == "IEMOCAP" else {}
                scan = scan_of(tree.corpus)
                taken = prepare(scan, data_folder, place / "prepared", labels, merged)
        said = "; ".join([f"takes {len(taken.utterances)}", *told.texts])
    except (CorpusError, TableError) as error:
        said = f"refuses: {error}"
    except Exception as error:
        said = f"TRACEBACK: {type(error).__name__}: {error}"
    finally:
        os.environ["HOME"] = home
        os.chdir(here)
        logging.getLogger("camser").removeHandler(told)
    return shortened(said, place)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Permissions do not hold root up; nobody can be held up."""
    is_root = not os.geteuid()
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def unlinked(path: Path) -> bytes:
    """A file's content, and the file removed."""
    content = path.read_bytes()
    path.unlink()
    return content


class Messages(logging.Handler):
    """The warnings, without those about how a recording sounds: these are noise."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is said of files."""
        _, _, text = record.getMessage().partition(": ")
        self.texts += [line for line in text.splitlines() if not sounds(line)]


def sounds(line: str) -> bool:
    """Whether a line is about how a recording sounds."""
    return "recordings that look wrong" in line or line.startswith(("  ", "… and"))


def shortened(said: str, place: Path) -> str:
    """One line, without the place of this trial, the table of counts, and what follows it."""
    for start in ("\nutterances found/expected:", "\nto use only the valid files"):
        said = said.partition(start)[0]
    lines = said.replace(f"{place}/", "").replace(str(place), "…").splitlines()
    text = " / ".join(" ".join(line.split()) for line in lines)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]} …"


def trials(chosen: str) -> Iterator[tuple[Tree, str]]:
    """Each tree, and what is said of it."""
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o777)
        for corpus, make in MAKERS.items():
            if chosen not in ("", corpus):
                continue
            complete = Path(top, corpus)
            make(complete)
            for number, tree in enumerate(t for t in TREES if t.corpus == corpus):
                place = Path(top, f"{corpus}-{number}")
                place.mkdir()
                place.chmod(0o777)
                yield tree, outcome(tree, complete, place)
                for path in [place / "data", *sorted(place.rglob("*"))]:
                    if not os.access(path, os.R_OK) and not path.is_symlink():
                        path.chmod(0o755)
                shutil.rmtree(place)


def main(argv: Sequence[str] | None = None) -> None:
    """Try all trees, print them, and write or complete the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, help="a JSON file, completed if it is there")
    parser.add_argument("--column", choices=("before", "after"), default="after")
    parser.add_argument("--corpus", choices=list(MAKERS), default="", help="only this one")
    asked = parser.parse_args(argv)
    found = {(tree.corpus, tree.name): said for tree, said in printed(trials(asked.corpus))}
    if asked.output:
        tables.write_json(asked.output, {"tables": completed(asked.output, found, asked.column)})


def printed(made: Iterator[tuple[Tree, str]]) -> Iterator[tuple[Tree, str]]:
    """The trials, each printed when it ends."""
    for tree, said in made:
        print(f"{tree.corpus}, {tree.name}: {said}", flush=True)
        yield tree, said


def completed(
    path: Path, found: Mapping[tuple[str, str], str], column: str
) -> dict[str, list[dict[str, str]]]:
    """A table for each corpus; the file's other column and tables are kept."""
    made = json.loads(path.read_text(encoding="utf-8"))["tables"] if path.is_file() else {}
    for corpus in dict.fromkeys(corpus for corpus, _ in found):
        before = {row["copy"]: row for row in made.get(corpus, [])}
        made[corpus] = [
            {"copy": name, "before": "", "after": ""} | before.get(name, {}) | {column: said}
            for (of, name), said in found.items()
            if of == corpus
        ]
    return made


if __name__ == "__main__":
    main(sys.argv[1:])
