"""Folds of corpora that say their own splits, of unknown speakers, and without a split."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from camser.data.folds import (
    SHARED_SPEAKERS,
    UNKNOWN_SPEAKERS,
    FoldError,
    choose_fold,
    describe_fold,
    make_folds,
    score_note,
)
from tests.data.test_folds import assert_a_division, ids, speakers
from tests.helpers.fake_utterances import emodb, ravdess


def unknown(rows):
    return [replace(u, speaker="", gender="") for u in rows]


def split(rows, **by_speaker):
    """Rows whose split is named by the last digit of their speaker; the others are for training."""
    return [replace(u, split=by_speaker.get(f"s{u.speaker[-1]}", "train")) for u in rows]


def files(rows):
    return {u.path for u in rows}


# Unknown speakers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [3, 5, 10])
def test_without_speakers_files_are_dealt_evenly_by_emotion(k):
    rows = unknown(emodb())
    random.Random(k).shuffle(rows)
    folds = make_folds(rows, "speaker_k_fold", num_folds=k)
    assert_a_division(folds, rows)
    for number, fold in enumerate(folds, start=1):
        counts = Counter(u.emotion for u in fold.test)
        assert len(counts) == 4 and max(counts.values()) - min(counts.values()) <= 1
        assert fold.name == f"files {number} of {k}" and not fold.speakers_known
        assert describe_fold(fold, "held_out").endswith(f"; {UNKNOWN_SPEAKERS}")


def test_the_utterances_of_one_file_stay_together():
    rows = [
        replace(u, path=f"{number // 8}.wav", start=float(number), end=number + 1.0)
        for number, u in enumerate(unknown(emodb()))
    ]
    for fold in make_folds(rows, "speaker_k_fold", num_folds=4):
        assert not files(fold.train) & files(fold.test) and not files(fold.valid) & files(fold.test)


def test_one_unknown_speaker_is_enough_for_the_note():
    rows = emodb()
    assert all(fold.speakers_known for fold in make_folds(rows, "speaker_k_fold", num_folds=3))
    rows[3] = replace(rows[3], speaker="")
    folds = make_folds(rows, "speaker_k_fold", num_folds=3)
    assert_a_division(folds, [*rows])
    assert not any(fold.speakers_known for fold in folds)
    both = "selected on the test fold (optimistic); speakers unknown: may be optimistic"
    assert score_note("test_fold", speakers_known=False) == both


def test_folds_are_dealt_by_gender_only_where_it_is_known_for_all():
    rows = ravdess()
    some = [replace(u, gender="") if u.speaker.endswith("07") else u for u in rows]
    none = [replace(u, gender="") for u in rows]
    tests = [
        [ids(fold.test) for fold in make_folds(r, "speaker_k_fold", num_folds=4)]
        for r in (rows, some, none)
    ]
    assert tests[1] == tests[2] != tests[0]


def test_a_fold_of_many_speakers_names_one_and_their_number():
    folds = make_folds(ravdess(), "speaker_k_fold", num_folds=3)
    assert len({fold.name for fold in folds}) == 3
    assert all(fold.name.endswith("+7") for fold in folds)


def test_leaving_a_speaker_out_needs_speakers():
    message = r"80 utterances have no speaker; .* take protocol speaker_k_fold"
    with pytest.raises(FoldError, match=message):
        make_folds(unknown(emodb()), "leave_one_speaker_out")


def test_across_corpora_of_unknown_speakers_files_validate():
    rows = [*unknown(emodb()), *ravdess()]
    (fold,) = make_folds(rows, "cross_corpus", target_corpus="ravdess", valid_fraction=0.2)
    assert Counter(u.emotion for u in fold.valid) == dict.fromkeys(
        ("angry", "happy", "sad", "neutral"), 4
    )
    assert not files(fold.train) & files(fold.valid)


# The corpus's own splits --------------------------------------------------------------------------


def test_given_splits_are_taken_as_they_are():
    rows = split(emodb(), s0="test", s1="valid")
    (fold,) = make_folds(rows, "given")
    for name in ("train", "valid", "test"):
        assert list(getattr(fold, name)) == [u for u in rows if u.split == name]
    (same,) = make_folds(rows, "given", selection="none")
    assert ids(same.train) == ids(fold.train) | ids(fold.valid) and not same.valid
    (same,) = make_folds(rows, "given", selection="test_fold")
    assert same.valid == same.test == fold.test


@pytest.mark.parametrize("known", [True, False])
def test_without_a_given_valid_split_speakers_or_files_are_held_out_of_the_training(known):
    rows = split(emodb(), s0="test", s1="test")
    rows = rows if known else unknown(rows)
    (fold,) = make_folds(rows, "given", valid_fraction=0.25)
    assert ids(fold.test) == ids(u for u in rows if u.split == "test")
    if known:
        assert len(speakers(fold.valid)) == 2 and not speakers(fold.valid) & speakers(fold.train)
    else:
        assert Counter(u.emotion for u in fold.valid) == dict.fromkeys(
            ("angry", "happy", "sad", "neutral"), 4
        )


def test_given_folds_are_tested_by_name_and_the_next_one_validates():
    rows = [replace(u, split=f"fold{1 + number // 8}") for number, u in enumerate(emodb(11))]
    folds = make_folds(rows, "given")
    assert_a_division(folds, rows)
    assert [fold.name for fold in folds] == [f"fold{n}" for n in range(1, 12)]
    assert [fold.valid for fold in folds] == [f.test for f in [*folds[1:], folds[0]]]


def test_two_given_folds_hold_speakers_out():
    rows = [replace(u, split="ab"[number // 40]) for number, u in enumerate(emodb())]
    folds = make_folds(rows, "given")
    assert [(len(f.test), len(f.valid), len(f.train)) for f in folds] == [(40, 8, 32)] * 2


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"s0": ""}, "given: 8 of 80 utterances have no split"),
        ({}, "given: the splits are train; allowed: train, test and perhaps valid; or the names"),
        ({"s0": "valid"}, "the splits are train, valid; allowed"),
        ({"s0": "test", "s1": "eval"}, "the splits are eval, test, train; allowed"),
    ],
)
def test_given_splits_that_cannot_be_are_named(named, message):
    with pytest.raises(FoldError, match=message):
        make_folds(split(emodb(), **named), "given")


def test_given_splits_that_share_speakers_are_named_with_all_else_at_once():
    rows = split(emodb(), s0="test", s1="valid")
    rows[8] = replace(rows[8], split="test")
    rows = [replace(u, emotion="calm") if u.speaker == "emodb/00" else u for u in rows]
    with pytest.raises(FoldError) as caught:
        make_folds(rows, "given")
    assert str(caught.value).splitlines() == [
        "fold 0 (given): speakers in valid and test: ['emodb/01']",
        "fold 0 (given): its train split has no calm (8 in the corpus)",
    ]


def test_published_folds_may_share_speakers_and_say_so():
    rows = [replace(u, split=f"fold{1 + number % 5}") for number, u in enumerate(emodb())]
    with pytest.raises(FoldError, match="speakers in train and test"):
        make_folds(rows, "given")
    for selection in ("none", "held_out"):
        folds = make_folds(rows, "given_shared", selection)
        assert [fold.shared_speakers for fold in folds] == [10] * 5
        assert {fold.note(selection) for fold in folds} == {SHARED_SPEAKERS}
        line = describe_fold(folds[0], selection)
        assert line.endswith(f"; 10 speakers in train and test; {SHARED_SPEAKERS}")
    apart = [replace(u, split=f"fold{u.speaker[-1]}") for u in emodb()]
    assert not any(f.shared_speakers or f.note("none") for f in make_folds(apart, "given_shared"))
    unknown_ones = make_folds(unknown(rows), "given_shared")
    assert {(f.shared_speakers, f.note("none")) for f in unknown_ones} == {(0, UNKNOWN_SPEAKERS)}


def test_a_class_that_only_one_fold_has_is_named_for_each_fold():
    rows = emodb()
    rows[0] = replace(rows[0], emotion="calm")
    with pytest.raises(FoldError) as caught:
        make_folds(rows, "leave_one_speaker_out")
    assert str(caught.value).splitlines() == [
        "fold 0 (emodb/00): its train split has no calm (1 in the corpus)",
        "fold 9 (emodb/09): its train split has no calm (1 in the corpus)",
    ]


# All data, and no validation ----------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_all_has_no_test_split(known):
    rows = emodb() if known else unknown(emodb())
    (fold,) = make_folds(rows, "all", valid_fraction=0.2)
    assert fold.name == "all" and not fold.test and len(fold.valid) == 16 and len(fold.train) == 64
    assert describe_fold(fold, "held_out").startswith("fold 0 (all): train 64, valid 16, test 0")
    (fold,) = make_folds(rows, "all", selection="none")
    assert list(fold.train) == rows and not fold.valid and not fold.test
    with pytest.raises(FoldError, match="has no test split; allowed selections: held_out, none"):
        make_folds(rows, "all", selection="test_fold")


@pytest.mark.parametrize(
    ("protocol", "options"),
    [("leave_one_speaker_out", {}), ("speaker_k_fold", {"num_folds": 2})],
)
def test_without_validation_all_others_train(protocol, options):
    rows = emodb(2)
    folds = make_folds(rows, protocol, selection="none", **options)
    assert_a_division(folds, rows)
    assert not any(fold.valid for fold in folds) and len(folds) == 2


def test_a_fold_is_chosen_by_its_number():
    folds = make_folds(emodb(3), "leave_one_speaker_out")
    settings = {"protocol": "leave_one_speaker_out"}
    assert choose_fold(folds, {**settings, "fold": 2}) is folds[2]
    with pytest.raises(FoldError, match=r"fold is 3; leave_one_speaker_out has: 0 \(emodb/00\), 1"):
        choose_fold(folds, {**settings, "fold": 3})
