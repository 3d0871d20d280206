"""RAVDESS: what its file names say, and one clear message for every kind of wrong folder."""

import os
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile

from camser.data.folds import make_folds
from camser.data.manifest import Utterance
from camser.data.prepare import CorpusError, prepare
from tests.helpers.recipe_runs import load_module

LABELS = ["angry", "sad", "happy", "neutral"]
NOISE = np.random.default_rng(0).normal(0, 0.1, 4000)
REAL = Path(os.environ.get("CAMSER_RAVDESS", "absent"))


@pytest.fixture(scope="module")
def ravdess():
    return load_module("recipes/RAVDESS/ravdess_prepare.py")


@pytest.fixture
def make(tmp_path):
    """Write recordings by name, with or without a suffix; returns the corpus's folder."""

    def write(*names, samples=None):
        for name in names:
            path = tmp_path / f"Actor_{name.split('.')[0][-2:]}" / name
            path = path if path.suffix else path.with_suffix(".wav")
            path.parent.mkdir(exist_ok=True)
            if samples is None:
                path.touch()
            else:
                soundfile.write(path, samples, 16000)
        return tmp_path

    return write


def test_a_name_says_everything(ravdess, make):
    found = ravdess.scan(make("03-01-05-02-01-02-12"))
    assert found.problems == []
    assert found.utterances == [
        Utterance(
            id="ravdess/03-01-05-02-01-02-12",
            corpus="ravdess",
            path="Actor_12/03-01-05-02-01-02-12.wav",
            seconds=0.0,
            speaker="ravdess/12",
            gender="female",
            style="acted",
            emotion="angry",
            text="kids are talking by the door",
        )
    ]


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("03-01-01-01-01-01-01", "emotion", "neutral"),
        ("03-01-02-01-01-01-01", "emotion", "calm"),
        ("03-01-03-01-01-01-01", "emotion", "happy"),
        ("03-01-04-01-01-01-01", "emotion", "sad"),
        ("03-01-05-01-01-01-01", "emotion", "angry"),
        ("03-01-06-01-01-01-01", "emotion", "fearful"),
        ("03-01-07-01-01-01-01", "emotion", "disgusted"),
        ("03-01-08-01-01-01-01", "emotion", "surprised"),
        ("03-01-01-01-01-01-01", "text", "kids are talking by the door"),
        ("03-01-01-01-02-01-01", "text", "dogs are sitting by the door"),
        ("03-01-01-01-01-01-01", "gender", "male"),
        ("03-01-01-01-01-01-02", "gender", "female"),
        ("03-01-01-01-01-01-23", "gender", "male"),
        ("03-01-01-01-01-01-24", "gender", "female"),
        ("03-01-01-01-01-01-24", "speaker", "ravdess/24"),
    ],
)
def test_each_field_is_read(ravdess, make, name, field, value):
    (utterance,) = ravdess.scan(make(name)).utterances
    assert getattr(utterance, field) == value


def test_wav_and_flac_are_taken_and_differ_only_in_their_path(ravdess, make):
    names = ["03-01-01-01-01-01-01.wav", "03-01-01-01-01-01-02.flac", "03-01-01-01-01-01-03.WAV"]
    found = ravdess.scan(make(*names, samples=NOISE))
    assert found.problems == []
    assert [u.path.split("/")[1] for u in found.utterances] == names
    assert [u.id for u in found.utterances] == [f"ravdess/{n.split('.')[0]}" for n in names]


def test_songs_videos_and_other_files_are_passed_over(ravdess, make):
    folder = make(
        "03-02-03-01-01-01-01.wav",  # a song
        "01-01-03-01-01-01-01.wav",  # the sound of a video
        "02-01-03-01-01-01-01.wav",  # of a video without sound
        "01-01-03-01-01-01-01.mp4",
        "03-01-03-01-01-01-01.wav",
    )
    (folder / "Actor_01/readme.txt").touch()
    (folder / "Actor_01/._03-01-03-01-01-01-01.wav").touch()
    (folder / "Actor_1").mkdir()
    (folder / "Actor_02").touch()
    found = ravdess.scan(folder)
    assert [u.id for u in found.utterances] == ["ravdess/03-01-03-01-01-01-01"]
    assert found.problems == []


@pytest.mark.parametrize(
    "name",
    [
        "03-01-09-01-01-01-01",  # no such emotion
        "03-01-03-03-01-01-01",  # nor intensity
        "03-01-03-01-03-01-01",  # nor sentence
        "04-01-03-01-01-01-01",  # nor kind of recording
        "03-01-03-01-01-01-01-01",
        "03-01-03-01-01-01-01 (2)",
        "happy",
        "03-01-03-01-01-01-02",  # another actor's
    ],
)
def test_a_recording_of_another_name_is_not_used(ravdess, make, name):
    folder = make("03-01-03-01-01-01-01")
    wrong = folder / "Actor_01" / f"{name}.wav"
    wrong.touch()
    found = ravdess.scan(folder)
    assert [u.id for u in found.utterances] == ["ravdess/03-01-03-01-01-01-01"]
    assert found.problems == []
    assert found.warnings[0].startswith(f"{wrong}: is not named as a recording of ravdess, e.g. ")


def test_a_folder_one_level_off(ravdess, make, tmp_path):
    names = ["03-01-03-01-01-01-01", "03-01-03-01-01-01-02"]
    right = make(*names).rename(tmp_path.with_name("right"))
    tmp_path.mkdir()
    right = right.rename(tmp_path / "right")
    assert [u.path for u in ravdess.scan(tmp_path).utterances] == [
        f"right/Actor_{name[-2:]}/{name}.wav" for name in names
    ]
    assert ravdess.scan(right / "Actor_01").warnings == [
        f"{right / 'Actor_02'}: holds such recordings too; try {right}",
        "ravdess: has recordings of 1 of 24 speakers",
    ]
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(CorpusError, match=r"must be the folder that holds Actor_01 … Actor_24$"):
        ravdess.scan(tmp_path / "elsewhere")


def test_the_expected_numbers_are_those_of_all_names_that_there_are(ravdess, make):
    """Two sentences, each said twice; neutral has no strong form."""
    codes = product(range(1, 9), (1, 2), (1, 2), (1, 2), range(1, 25))
    names = [
        f"03-01-{emotion:02}-{strength:02}-{sentence:02}-{time:02}-{actor:02}"
        for emotion, strength, sentence, time, actor in codes
        if (emotion, strength) != (1, 2)
    ]
    found = ravdess.scan(make(*names))
    assert len(found.utterances) == len(names) == 1440 and not found.problems
    assert found.expected == {"ravdess": Counter(u.emotion for u in found.utterances)}
    assert sum(found.expected["ravdess"][label] for label in LABELS) == 672
    speakers = {u.speaker: u.gender for u in found.utterances}
    assert Counter(speakers.values()) == {"female": 12, "male": 12}


def test_what_is_missing_is_found_by_the_numbers(ravdess, make, tmp_path):
    folder = make(*(f"03-01-0{e}-01-01-01-01" for e in (1, 3, 4, 5)), samples=NOISE)
    with pytest.raises(CorpusError, match=r"found/expected:\n.*\n +ravdess +1/192.*1/96"):
        prepare(ravdess.scan, folder, tmp_path / "prepared", LABELS, {})
    there = prepare(ravdess.scan, folder, tmp_path / "prepared", LABELS, {}, allow_missing=True)
    assert [u.emotion for u in there.utterances] == ["neutral", "happy", "sad", "angry"]


def test_one_recording_in_two_formats_is_taken_once(ravdess, make):
    name = "03-01-01-01-01-01-01"
    found = ravdess.scan(make(f"{name}.flac", f"{name}.wav"))
    assert [u.path for u in found.utterances] == [f"Actor_01/{name}.wav"]
    assert f"{name}.flac: is a second copy of a recording; it is not used" in found.warnings[0]


@pytest.mark.skipif(not REAL.is_dir(), reason="CAMSER_RAVDESS is not RAVDESS's folder")
def test_the_real_corpus_is_whole(ravdess, tmp_path):
    utterances, _ = prepare(ravdess.scan, REAL, tmp_path, LABELS, {})
    assert Counter(u.emotion for u in utterances) == {
        "angry": 192, "happy": 192, "sad": 192, "neutral": 96
    }  # fmt: skip
    assert set(Counter(u.speaker for u in utterances).values()) == {28}
    assert all(2 < u.seconds < 6 for u in utterances)
    folds = make_folds(utterances, "speaker_k_fold", num_folds=10)
    assert {len({u.speaker for u in fold.test}) for fold in folds} == {2, 3}
