"""EmoDB: what its file names say, and for which merging its published numbers hold."""

import numpy as np
import pytest
import soundfile

from camser.data.prepare import CorpusError, prepare
from tests.helpers.recipe_runs import load_module

LABELS = ["angry", "sad", "happy", "neutral"]
NOISE = np.random.default_rng(0).normal(0, 0.1, 4000)


@pytest.fixture(scope="module")
def emodb():
    return load_module("recipes/EmoDB/emodb_prepare.py")


def test_emodb_is_read_from_its_file_names(emodb, tmp_path):
    (tmp_path / "wav").mkdir()
    names = ["03a01Wa", "08b02Fb", "10a07Ta", "16b10Nd", "09a01La"]
    for name in names:
        soundfile.write(tmp_path / f"wav/{name}.wav", NOISE, 16000)
    (tmp_path / "wav/readme.txt").write_text("")
    found = emodb.scan(tmp_path)
    assert [(u.speaker, u.gender, u.emotion, u.text) for u in found.utterances] == [
        ("emodb/03", "male", "angry", "a01"),
        ("emodb/08", "female", "happy", "b02"),
        ("emodb/09", "female", "bored", "a01"),
        ("emodb/10", "male", "sad", "a07"),
        ("emodb/16", "female", "neutral", "b10"),
    ]
    soundfile.write(tmp_path / "wav/99a01Wa.wav", NOISE, 16000)
    assert "99a01Wa.wav: is not named as a recording of emodb" in emodb.scan(tmp_path).warnings[0]
    assert [u.path for u in emodb.scan(tmp_path / "wav").utterances] == sorted(
        f"{name}.wav" for name in names
    )
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"must be the folder that holds wav$"):
        emodb.scan(tmp_path / "empty")
    with pytest.raises(CorpusError, match="1/127"):
        prepare(emodb.scan, tmp_path, tmp_path / "out", LABELS, {})


@pytest.mark.parametrize(
    ("merge_labels", "checked"),
    [
        ({}, True),
        ({"excited": "happy", "calm": "neutral"}, True),  # EmoDB has neither
        ({"bored": "neutral"}, False),  # this one makes other numbers
    ],
)
def test_only_a_merging_of_emotions_that_are_there_makes_other_numbers(
    emodb, tmp_path, merge_labels, checked
):
    (tmp_path / "wav").mkdir()
    for initial in "WTFNL":
        soundfile.write(tmp_path / f"wav/03a01{initial}a.wav", NOISE, 16000)
    arguments = (emodb.scan, tmp_path, tmp_path / "out", LABELS, merge_labels)
    if checked:
        with pytest.raises(CorpusError, match="1/127"):
            prepare(*arguments)
    else:
        assert len(prepare(*arguments).utterances) == 5
