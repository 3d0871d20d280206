"""Labels with a fault of every kind, planted into recordings that have none."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from camser.data.synthetic import EMOTIONS
from camser.data.voices import make_voice, speak
from camser.data_check.check import check_recordings
from camser.data_check.source import read_labels

CLASSES = {"angry": "ang", "happy": "exc", "neutral": "neu", "sad": "sad"}
SPEAKERS = ("ann", "ben", "cleo", "dan", "eve", "finn", "gina", "hugo")
TEXTS = ("who told them", "nobody saw the letter", "i remember", "they lost it again")
COLUMNS = ("file", "emotion", "speaker", "split", "text")


def split_of(speaker):
    return "test" if speaker in ("gina", "hugo") else "train"


def write_corpus(folder):
    """128 recordings of 8 speakers and 4 classes; returns the rows of the table."""
    rng, rows = np.random.default_rng(0), []
    (folder / "audio").mkdir(parents=True)
    for number, speaker in enumerate(SPEAKERS):
        voice = make_voice(rng, 110 + 15 * number, 1.0)
        for emotion, name in CLASSES.items():
            for take, text in enumerate(TEXTS):
                prosody = EMOTIONS["neu"].prosody, EMOTIONS[name].prosody
                samples = speak(rng, voice, *prosody, 12000 + int(rng.integers(4000)))
                file = f"audio/{speaker}-{emotion}-{take}.wav"
                soundfile.write(folder / file, samples, 16000)
                text = f"{text} {speaker}" if split_of(speaker) == "test" else text
                rows.append([file, emotion, speaker, split_of(speaker), text])
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def write_table(folder, rows):
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    return folder / "labels.csv"


@pytest.fixture(scope="package")
def clean(tmp_path_factory):
    """The folder and the rows of a table without faults; not to be changed."""
    folder = tmp_path_factory.mktemp("clean")
    return folder, write_corpus(folder)


@pytest.fixture
def copy(clean, tmp_path):
    """The same, to be changed."""
    folder, rows = clean
    return shutil.copytree(folder, tmp_path / "corpus"), [dict(row) for row in rows]


@pytest.fixture(scope="package")
def planted(clean, tmp_path_factory):
    """The check of labels with faults."""
    folder = shutil.copytree(clean[0], tmp_path_factory.mktemp("planted") / "corpus")
    rows = plant_faults(folder, [dict(row) for row in clean[1]])
    source = read_labels({"source": str(write_table(folder, rows))})
    return check_recordings(source, folder / "cache.sqlite")


def plant_faults(folder: Path, rows):
    """Change files and rows as people do by mistake; returns the rows."""

    def take(number, **values):
        """Rows that no other fault has changed."""
        free = [r for r in rows if "changed" not in r and values.items() <= r.items()][:number]
        for row in free:
            row["changed"] = True
        return free

    def add(file, **values):
        rows.append({**rows[0], "file": file, "changed": True, **values})

    def rewrite(row, change):
        samples, rate = soundfile.read(folder / row["file"])
        soundfile.write(folder / row["file"], change(samples), rate)

    add("audio/lost.wav")
    (one,) = take(1, emotion="angry", speaker="ann")
    add(one["file"], emotion="sad")
    take(1, emotion="angry", speaker="ben")[0]["emotion"] = "angyr"
    add("audio/copy.wav", emotion="happy")
    shutil.copy(folder / take(1, emotion="neutral")[0]["file"], folder / "audio/copy.wav")
    add("audio/again.wav", speaker="hugo", split="test", emotion="sad")
    shutil.copy(
        folder / take(1, emotion="sad", speaker="cleo")[0]["file"], folder / "audio/again.wav"
    )
    for row in take(2, speaker="dan"):
        row["split"] = "test"
    take(1, speaker="eve")[0]["speaker"] = "Eve "
    for row in take(2, emotion="neutral", speaker="finn"):
        rewrite(row, np.zeros_like)
    for row in take(3, emotion="angry", speaker="finn"):
        rewrite(row, lambda samples: (40 * samples).clip(-1, 1))
    (folder / take(1, emotion="sad", speaker="finn")[0]["file"]).write_text("<html></html>")
    for row in rows:
        if row["emotion"] == "sad" and row["file"].startswith("audio/") and "changed" not in row:
            samples, rate = soundfile.read(folder / row["file"])
            row["file"] = row["file"].replace(".wav", ".flac")
            soundfile.write(folder / row["file"], samples, rate)
    for row in take(2, emotion="angry", speaker="eve"):
        row["emotion"] = "sad"
    for row in take(9, speaker="hugo"):
        row["text"] = TEXTS[0]
    for take_number in range(3):
        soundfile.write(folder / f"audio/bored{take_number}.wav", noise(take_number), 16000)
        add(f"audio/bored{take_number}.wav", emotion="bored", speaker="ann")
    return [{name: row[name] for name in COLUMNS} for row in rows]


def noise(seed):
    return np.random.default_rng(seed).normal(0, 0.1, 16000)
