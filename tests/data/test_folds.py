"""Folds: who trains, who chooses the epoch, who is tested, and that nobody does two of them."""

import inspect
import random
from collections import Counter
from dataclasses import replace

import pytest

from camser.data.folds import (
    FOLD_KEYS,
    OPTIMISTIC,
    PROTOCOLS,
    FoldError,
    describe_fold,
    make_folds,
    score_note,
)
from camser.data.protocols import unit_of
from tests.helpers.fake_utterances import emodb, ravdess, utterance

# Utterances by session; together 1103, 1636, 1084 and 1708.
IEMOCAP = {
    "Session1": {"angry": 229, "happy": 278, "sad": 194, "neutral": 384},
    "Session2": {"angry": 137, "happy": 327, "sad": 197, "neutral": 362},
    "Session3": {"angry": 240, "happy": 286, "sad": 305, "neutral": 320},
    "Session4": {"angry": 327, "happy": 303, "sad": 143, "neutral": 258},
    "Session5": {"angry": 170, "happy": 442, "sad": 245, "neutral": 384},
}
PUBLISHED = [1085, 1023, 1151, 1031, 1241]
DIALOGUES = [f"impro{n:02d}" for n in range(1, 9)] + ["script01_1", "script02_2", "script03_1"]


@pytest.fixture(scope="module")
def iemocap():
    """Two speakers a session, each in every dialogue; emotions cling to dialogues."""
    rng, rows = random.Random(0), []
    for session, counts in IEMOCAP.items():
        prefix = f"Ses0{session[-1]}"
        names = [f"{prefix}{wearer}_{dialogue}" for wearer in "FM" for dialogue in DIALOGUES]
        for emotion, count in counts.items():
            likely = {name: rng.choice([1, 1, 4]) for name in names}
            for _ in range(count):
                dialogue = rng.choices(names, likely.values())[0]
                who = rng.choice("FM")
                rows.append(
                    utterance(
                        f"{dialogue}_{who}{len(rows):04d}",
                        f"iemocap/{prefix}{who}",
                        {"F": "female", "M": "male"}[who],
                        emotion,
                        session=session,
                        dialogue=dialogue,
                        style="scripted" if "script" in dialogue else "improvised",
                    )
                )
    rng.shuffle(rows)
    return rows


def ids(part):
    return {u.id for u in part}


def speakers(part):
    return {u.speaker for u in part}


def assert_a_division(folds, utterances):
    """Every utterance is tested once, and each fold divides the corpus by utterance."""
    assert Counter(u.id for fold in folds for u in fold.test) == Counter(u.id for u in utterances)
    for index, fold in enumerate(folds):
        assert fold.index == index
        parts = (*fold.train, *fold.valid, *fold.test)
        assert Counter(u.id for u in parts) == Counter(u.id for u in utterances)
        assert not {*map(unit_of, fold.train)} & {*map(unit_of, fold.test)}


def test_the_fake_corpus_has_the_published_counts(iemocap):
    assert len(iemocap) == len(ids(iemocap)) == 5531
    emotions = Counter(u.emotion for u in iemocap)
    assert emotions == {"angry": 1103, "happy": 1636, "sad": 1084, "neutral": 1708}
    assert len(speakers(iemocap)) == 10
    assert {u.style for u in iemocap} == {"improvised", "scripted"}


def test_one_session_out_tests_the_published_sizes(iemocap):
    folds = make_folds(iemocap, "leave_one_session_out")
    assert_a_division(folds, iemocap)
    assert [fold.name for fold in folds] == list(IEMOCAP)
    assert [len(fold.test) for fold in folds] == PUBLISHED
    for fold in folds:
        assert {u.session for u in fold.test} == {fold.name}
        assert Counter(u.emotion for u in fold.test) == IEMOCAP[fold.name]


def test_one_session_out_validates_on_whole_dialogues_of_the_others(iemocap):
    for fold in make_folds(iemocap, "leave_one_session_out"):
        assert not speakers(fold.valid) & speakers(fold.test)
        held_out, kept = ({u.dialogue for u in part} for part in (fold.valid, fold.train))
        assert held_out and not held_out & kept


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_one_session_outs_validation_has_its_size_and_the_classes_shares(iemocap, fraction):
    """Whole dialogues cannot be exact: neither is off by more than the longest dialogue is."""
    for fold in make_folds(iemocap, "leave_one_session_out", valid_fraction=fraction):
        rest = [*fold.train, *fold.valid]
        longest = max(Counter(u.dialogue for u in rest).values())
        assert abs(len(fold.valid) - fraction * len(rest)) <= longest
        shares = Counter(u.emotion for u in fold.valid)
        for emotion, count in Counter(u.emotion for u in rest).items():
            difference = shares[emotion] / len(fold.valid) - count / len(rest)
            assert abs(difference) <= longest / len(fold.valid)


@pytest.mark.parametrize("fraction", [-1.0, 0.0, 1.5, float("nan")])
@pytest.mark.parametrize("protocol", ["leave_one_session_out", "cross_corpus"])
def test_a_fraction_that_is_none_is_refused(iemocap, protocol, fraction):
    rows = [*iemocap[:500], *ravdess()] if protocol == "cross_corpus" else iemocap[:500]
    with pytest.raises(FoldError, match=f"valid_fraction is {fraction}; allowed: "):
        make_folds(rows, protocol, target_corpus="ravdess", valid_fraction=fraction)


def test_dialogues_of_one_name_in_several_sessions_are_several(iemocap):
    short = [replace(u, dialogue=u.dialogue.split("_", 1)[1]) for u in iemocap]
    folds = make_folds(short, "leave_one_session_out")
    assert_a_division(folds, short)
    for fold in folds:
        held_out, kept = (
            {(u.session, u.dialogue) for u in part} for part in (fold.valid, fold.train)
        )
        assert not held_out & kept
        assert {name for _, name in held_out} & {name for _, name in kept}


def test_one_speaker_out_validates_on_the_other_speaker_of_the_session(iemocap):
    folds = make_folds(iemocap, "leave_one_speaker_out")
    assert_a_division(folds, iemocap)
    assert [fold.name for fold in folds] == sorted(speakers(iemocap))
    sizes = [len(fold.test) for fold in folds]
    assert [f + m for f, m in zip(sizes[::2], sizes[1::2], strict=True)] == PUBLISHED
    for fold in folds:
        partner = fold.name[:-1] + {"F": "M", "M": "F"}[fold.name[-1]]
        assert speakers(fold.test) == {fold.name}
        assert speakers(fold.valid) == {partner}
        assert speakers(fold.train) == speakers(iemocap) - {fold.name, partner}


def test_cross_corpus_tests_the_target_and_holds_speakers_of_every_source_out(iemocap):
    rows = [*iemocap, *emodb(), *ravdess()]
    (fold,) = make_folds(rows, "cross_corpus", target_corpus="emodb", valid_fraction=0.2)
    assert ids(fold.test) == ids(emodb()) and fold.name == "emodb"
    assert ids(fold.train) | ids(fold.valid) == ids(rows) - ids(fold.test)
    assert not speakers(fold.train) & speakers(fold.valid)
    held_out = Counter(s.split("/")[0] for s in speakers(fold.valid))
    assert held_out == {"iemocap": 2, "ravdess": 5}  # a fifth of 10 and of 24


@pytest.mark.parametrize("protocol", ["leave_one_speaker_out", "leave_one_session_out"])
def test_selection_on_the_test_fold_trains_on_all_others(iemocap, protocol):
    held_out = make_folds(iemocap, protocol)
    optimistic = make_folds(iemocap, protocol, selection="test_fold")
    for honest, fold in zip(held_out, optimistic, strict=True):
        assert fold.valid == fold.test == honest.test
        assert ids(fold.train) == ids(iemocap) - ids(fold.test)
        assert speakers(fold.train) == speakers(iemocap) - speakers(fold.test)


def test_the_options_are_those_that_folds_are_made_with():
    assert {"utterances", *FOLD_KEYS} == set(inspect.signature(make_folds).parameters)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_seed_decides_validation_and_never_the_test_part(iemocap, protocol):
    both = [*iemocap, *ravdess()] if protocol == "cross_corpus" else iemocap
    both = [replace(u, split="test" if "05" in u.speaker else "train") for u in both]
    options = {"num_folds": 4, "target_corpus": "ravdess"}
    first, again, other = (make_folds(both, protocol, seed=s, **options) for s in (1, 1, 2))
    assert first == again
    assert [fold.test for fold in first] == [fold.test for fold in other]
    drawn = protocol not in ("leave_one_speaker_out", "speaker_k_fold")
    assert ([ids(f.valid) for f in first] != [ids(f.valid) for f in other]) == drawn


def test_drawn_is_by_seed_0_where_none_is_given(iemocap):
    folds = [make_folds(iemocap, "leave_one_session_out", **o) for o in ({}, {"seed": 0})]
    assert folds[0] == folds[1] != make_folds(iemocap, "leave_one_session_out", seed=1)


@pytest.mark.parametrize("protocol", ["leave_one_speaker_out", "leave_one_session_out"])
def test_folds_do_not_depend_on_the_order_of_the_speakers_rows(iemocap, protocol):
    rows = sorted(iemocap, key=lambda u: u.speaker, reverse=True)
    found = make_folds(rows, protocol)
    expected = make_folds(iemocap, protocol)
    assert [(f.name, ids(f.test)) for f in found] == [(f.name, ids(f.test)) for f in expected]


@pytest.mark.parametrize("selection", ["held_out", "test_fold"])
def test_a_fold_describes_itself_and_warns_of_optimism(iemocap, selection):
    fold = make_folds(iemocap, "leave_one_session_out", selection=selection)[1]
    text = describe_fold(fold, selection)
    sizes = f"train {len(fold.train)}, valid {len(fold.valid)}, test 1023"
    assert text.startswith(f"fold 1 (Session2): {sizes}; test holds angry 137, happy 327, ")
    assert text.endswith(f"; {OPTIMISTIC}") == (OPTIMISTIC in text) == (selection == "test_fold")
    assert score_note("test_fold") == OPTIMISTIC
