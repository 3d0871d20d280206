"""Folds of corpora that have speakers alone: left out one by one, dealt evenly, held out across."""

import random
from collections import Counter

import pytest

from camser.data.folds import make_folds
from tests.data.test_folds import assert_a_division, speakers
from tests.helpers.fake_utterances import emodb, ravdess


def test_without_sessions_the_next_speaker_validates_cyclically():
    rows = emodb()
    folds = make_folds(rows, "leave_one_speaker_out")
    assert_a_division(folds, rows)
    order = sorted(speakers(rows))
    assert [fold.name for fold in folds] == order
    assert [speakers(fold.valid) for fold in folds] == [{s} for s in [*order[1:], order[0]]]


def test_three_speakers_are_enough_to_leave_one_out():
    rows = emodb(3)
    assert_a_division(make_folds(rows, "leave_one_speaker_out"), rows)


def test_k_folds_deal_24_speakers_evenly_by_gender():
    rows = ravdess()
    folds = make_folds(rows, "speaker_k_fold", num_folds=10)
    assert_a_division(folds, rows)
    assert len(folds) == 10
    for i, fold in enumerate(folds):
        genders = Counter(u.gender for u in fold.test)
        assert abs(genders["female"] - genders["male"]) <= 4  # one speaker has four utterances
        assert fold.name == "+".join(sorted(speakers(fold.test)))
        assert fold.valid == folds[(i + 1) % 10].test
        assert not speakers(fold.train) & speakers(fold.valid)


@pytest.mark.parametrize("seed", range(20))
def test_k_folds_are_even_for_any_number_of_women_and_men(seed):
    rng = random.Random(seed)
    women, men = rng.randint(0, 15), rng.randint(3, 15)
    k = rng.randint(3, women + men)
    rows = ravdess(women, men)
    folds = make_folds(rows, "speaker_k_fold", num_folds=k)
    assert_a_division(folds, rows)
    for kinds in ({"female"}, {"male"}, {"female", "male"}):
        sizes = [len(speakers(u for u in f.test if u.gender in kinds)) for f in folds]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("fraction", [0.01, 0.3])
def test_cross_corpus_holds_one_speaker_out_of_a_small_corpus(fraction):
    rows = [*emodb(3), *ravdess()]
    (fold,) = make_folds(rows, "cross_corpus", target_corpus="ravdess", valid_fraction=fraction)
    assert len(speakers(fold.valid)) == 1 and len(speakers(fold.train)) == 2
