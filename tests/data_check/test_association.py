"""A property that tells a class is told from one that does not."""

import numpy as np
import pytest

from camser.data_check.association import associate

EMOTIONS = ["angry", "happy", "sad", "neutral"] * 50


def test_a_name_of_one_class_tells_that_class_alone():
    names = ["mp3" if emotion == "sad" else "wav" for emotion in EMOTIONS]
    name, told = associate(names, EMOTIONS).best
    assert (name, told.hits, told.false_alarms) == ("sad", 1, 0)
    assert told.is_significant
    others = associate(names, EMOTIONS).by_class["happy"]
    assert others.hits == pytest.approx(1 / 3, abs=0.01)  # a draw of three


@pytest.mark.parametrize("seed", range(5))
def test_what_has_nothing_to_do_with_classes_tells_none(seed):
    rng = np.random.default_rng(seed)
    for values in (rng.normal(size=200).tolist(), rng.choice(list("abcdefgh"), 200).tolist()):
        found = associate(values, EMOTIONS)
        assert not found.best[1].is_significant
        assert abs(found.accuracy - found.chance) < 0.15


def test_ranges_of_a_number_tell_classes():
    levels = [
        {"angry": -10.0, "happy": -20.0}.get(e, -30.0) + i % 5 for i, e in enumerate(EMOTIONS)
    ]
    by_class = associate(levels, EMOTIONS).by_class
    assert by_class["angry"].informedness == by_class["happy"].informedness == 1
    assert by_class["sad"].informedness < 0.9


def test_each_speaker_with_all_classes_tells_none():
    speakers = [f"speaker{i // 20}" for i in range(200)]
    assert not associate(speakers, EMOTIONS).best[1].is_significant


@pytest.mark.parametrize(
    ("values", "emotions"),
    [
        (["a"] * 200, EMOTIONS),  # all alike
        ([None] * 200, EMOTIONS),
        (["a", "b"] * 10, ["sad"] * 20),
        (["a", "b"] * 4, ["sad", "happy"] * 4),  # too few of each class
        ([], []),
    ],
)
def test_where_nothing_can_be_guessed_nothing_is(values, emotions):
    assert associate(values, emotions) is None
