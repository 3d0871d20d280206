"""Folds: who trains, who chooses the epoch, who is tested, and that nobody does two of them."""

import inspect
import random
from collections import Counter
from dataclasses import replace

import pytest

from camser.corpus import Utterance
from camser.folds import (
    OPTIMISTIC,
    OPTIONS,
    PROTOCOLS,
    Fold,
    FoldError,
    caution,
    check_fold,
    describe,
    make_folds,
)

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


def utterance(name, speaker, gender, emotion, **fields):
    corpus = speaker.split("/")[0]
    return Utterance(
        id=f"{corpus}/{name}",
        corpus=corpus,
        path=f"{name}.wav",
        seconds=3.0,
        speaker=speaker,
        gender=gender,
        emotion=emotion,
        **fields,
    )


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


def emodb(num_speakers=10, each=8):
    """A corpus without sessions and dialogues."""
    return [
        utterance(f"{s:02d}a{i}", f"emodb/{s:02d}", ("male", "female")[s % 2], "WFNT"[i % 4])
        for s in range(num_speakers)
        for i in range(each)
    ]


def ravdess(women=12, men=12, corpus="ravdess"):
    genders = ["female"] * women + ["male"] * men
    random.Random(0).shuffle(genders)
    return [
        utterance(f"{s:02d}-{i}", f"{corpus}/Actor_{s:02d}", gender, emotion)
        for s, gender in enumerate(genders)
        for i, emotion in enumerate(["angry", "happy", "sad", "neutral"])
    ]


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
        assert not speakers(fold.train) & speakers(fold.test)


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


@pytest.mark.parametrize("protocol", ["leave_one_speaker_out", "leave_one_session_out"])
def test_selection_on_the_test_fold_trains_on_all_others(iemocap, protocol):
    held_out = make_folds(iemocap, protocol)
    optimistic = make_folds(iemocap, protocol, selection="test_fold")
    for honest, fold in zip(held_out, optimistic, strict=True):
        assert fold.valid == fold.test == honest.test
        assert ids(fold.train) == ids(iemocap) - ids(fold.test)
        assert speakers(fold.train) == speakers(iemocap) - speakers(fold.test)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_seed_decides_validation_and_never_the_test_part(iemocap, protocol):
    both = [*iemocap, *ravdess()] if protocol == "cross_corpus" else iemocap
    options = {"num_folds": 4, "target": "ravdess"}
    first, again, other = (make_folds(both, protocol, seed=s, **options) for s in (1, 1, 2))
    assert first == again
    assert [fold.test for fold in first] == [fold.test for fold in other]
    drawn = protocol in ("leave_one_session_out", "cross_corpus")
    assert ([ids(f.valid) for f in first] != [ids(f.valid) for f in other]) == drawn


@pytest.mark.parametrize("protocol", ["leave_one_speaker_out", "leave_one_session_out"])
def test_folds_do_not_depend_on_the_order_of_the_speakers_rows(iemocap, protocol):
    rows = sorted(iemocap, key=lambda u: u.speaker, reverse=True)
    found = make_folds(rows, protocol)
    expected = make_folds(iemocap, protocol)
    assert [(f.name, ids(f.test)) for f in found] == [(f.name, ids(f.test)) for f in expected]


def test_without_sessions_the_next_speaker_validates_cyclically():
    rows = emodb()
    folds = make_folds(rows, "leave_one_speaker_out")
    assert_a_division(folds, rows)
    order = sorted(speakers(rows))
    assert [fold.name for fold in folds] == order
    assert [speakers(fold.valid) for fold in folds] == [{s} for s in [*order[1:], order[0]]]


def test_the_options_are_those_that_folds_are_made_with():
    assert {"utterances", *OPTIONS} == set(inspect.signature(make_folds).parameters)


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


def test_cross_corpus_tests_the_target_and_holds_speakers_of_every_source_out(iemocap):
    rows = [*iemocap, *emodb(), *ravdess()]
    (fold,) = make_folds(rows, "cross_corpus", target="emodb", valid_fraction=0.2)
    assert ids(fold.test) == ids(emodb()) and fold.name == "emodb"
    assert ids(fold.train) | ids(fold.valid) == ids(rows) - ids(fold.test)
    assert not speakers(fold.train) & speakers(fold.valid)
    held_out = Counter(s.split("/")[0] for s in speakers(fold.valid))
    assert held_out == {"iemocap": 2, "ravdess": 5}  # a fifth of 10 and of 24


@pytest.mark.parametrize("fraction", [0.01, 0.3])
def test_cross_corpus_holds_one_speaker_out_of_a_small_corpus(fraction):
    rows = [*emodb(3), *ravdess()]
    (fold,) = make_folds(rows, "cross_corpus", target="ravdess", valid_fraction=fraction)
    assert len(speakers(fold.valid)) == 1 and len(speakers(fold.train)) == 2


@pytest.mark.parametrize("fraction", [-1.0, 0.0, 1.5, float("nan")])
@pytest.mark.parametrize("protocol", ["leave_one_session_out", "cross_corpus"])
def test_a_fraction_that_is_none_is_refused(iemocap, protocol, fraction):
    rows = [*iemocap[:500], *ravdess()] if protocol == "cross_corpus" else iemocap[:500]
    with pytest.raises(FoldError, match=f"valid_fraction is {fraction}; allowed: "):
        make_folds(rows, protocol, target="ravdess", valid_fraction=fraction)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (emodb(), {"protocol": "random"}, f"allowed: {', '.join(PROTOCOLS)}$"),
        (emodb(), {"selection": "best"}, "selection is 'best'; allowed: held_out, test_fold"),
        (emodb(2), {}, "leave_one_speaker_out needs 3 speakers; there are 2"),
        ([], {}, "needs 3 speakers; there are 0"),
        (emodb(), {"protocol": "leave_one_session_out"}, "needs a corpus with sessions"),
        ([], {"protocol": "leave_one_session_out"}, "needs a corpus with sessions"),
        (
            [*emodb(), *(replace(u, id=f"s/{u.id}", session="S1") for u in emodb())],
            {"protocol": "leave_one_session_out"},
            r"needs a corpus with sessions; there are: \['', 'S1'\]",
        ),
        (emodb(), {"protocol": "speaker_k_fold"}, "num_folds is None; allowed: 3 … 10"),
        (emodb(), {"protocol": "speaker_k_fold", "num_folds": 2}, "num_folds is 2; allowed"),
        (emodb(), {"protocol": "speaker_k_fold", "num_folds": 11}, "num_folds is 11; allowed"),
        (emodb(), {"protocol": "speaker_k_fold", "num_folds": "3"}, "num_folds is '3'; allowed"),
        (emodb(), {"protocol": "cross_corpus"}, "target is None; allowed: one of several"),
        (emodb(), {"protocol": "cross_corpus", "target": "emodb"}, r"several corpora, here \["),
        (emodb() + ravdess(), {"protocol": "cross_corpus", "target": "iemocap"}, "'iemocap'"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_allowed(rows, options, message):
    with pytest.raises(FoldError, match=message):
        make_folds(rows, **{"protocol": "leave_one_speaker_out", **options})


def sessions(num_sessions, dialogues, **fields):
    """Small sessions of two speakers; one utterance of each class for each speaker's dialogue."""
    return [
        utterance(
            f"{s}{who}{d}{emotion}",
            f"small/{s}{who}",
            gender,
            emotion,
            session=f"S{s}",
            dialogue=f"S{s}D{d}",
            **fields,
        )
        for s in range(num_sessions)
        for d in range(dialogues)
        for who, gender in (("F", "female"), ("M", "male"))
        for emotion in ("angry", "sad")
    ]


def test_a_session_of_one_dialogue_leaves_nothing_to_validate_on():
    with pytest.raises(FoldError, match=r"hold one dialogue; valid needs one of its own$"):
        make_folds(sessions(2, 1), "leave_one_session_out")


def test_selection_on_the_test_fold_needs_no_second_dialogue():
    folds = make_folds(sessions(2, 1), "leave_one_session_out", selection="test_fold")
    assert [len(fold.test) for fold in folds] == [4, 4]


def test_classes_rarer_than_the_parts_still_divide():
    """Eight utterances of each class, and 32 dialogues, in the sessions that are not tested."""
    rows = [
        utterance(
            f"{i}", f"small/{i % 5}", "male", "WFNT"[i % 4], session=f"S{i % 5}", dialogue=f"{i}"
        )
        for i in range(40)
    ]
    assert_a_division(make_folds(rows, "leave_one_session_out"), rows)


def test_a_speaker_in_two_sessions_is_named():
    rows = [replace(u, speaker="small/X") if "F" in u.speaker else u for u in sessions(3, 12)]
    with pytest.raises(FoldError, match=r"fold 0 \(S0\): trained and tested on: \['small/X'\]"):
        make_folds(rows, "leave_one_session_out")


def test_a_speaker_of_two_corpora_is_named():
    rows = [*ravdess(), *(replace(u, id=u.id + "b", corpus="again") for u in ravdess())]
    with pytest.raises(FoldError, match=r"trained and tested on: .*Actor_00"):
        make_folds(rows, "cross_corpus", target="again")


def divided(train="abc", valid="de", test="fg", **others):
    rows = {c: utterance(c, f"x/{others.get(c, c)}", "male", "sad") for c in "abcdefg"}
    return Fold(0, "it", *(tuple(rows[c] for c in part) for part in (train, valid, test)))


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (divided(train=""), "its train part is empty"),
        (divided(valid=""), "its valid part is empty"),
        (divided(test=""), "its test part is empty"),
        (divided(valid="ad"), r"in two parts: \['x/a'\]"),
        (divided(test="af"), r"in two parts: \['x/a'\]"),
        (divided(test="ef"), r"in two parts: \['x/e'\]"),
        (divided("abcdefg", "abcdef", "g"), r"parts: \['x/a', 'x/b', 'x/c', 'x/d', 'x/e'\]$"),
        (divided(g="a"), r"trained and tested on: \['x/a'\]"),
    ],
)
def test_an_unsound_fold_is_refused(fold, message):
    with pytest.raises(FoldError, match=rf"fold 0 \(it\): .*{message}"):
        check_fold(fold, "held_out")


def test_selection_on_the_test_fold_allows_just_that():
    check_fold(divided(valid="fg"), "test_fold")
    with pytest.raises(FoldError, match=r"in two parts: \['x/a'\]"):
        check_fold(divided(valid="afg", test="afg"), "test_fold")


@pytest.mark.parametrize("selection", ["held_out", "test_fold"])
def test_a_fold_describes_itself_and_warns_of_optimism(iemocap, selection):
    fold = make_folds(iemocap, "leave_one_session_out", selection=selection)[1]
    text = describe(fold, selection)
    sizes = f"train {len(fold.train)}, valid {len(fold.valid)}, test 1023"
    assert text.startswith(f"fold 1 (Session2): {sizes}; test holds angry 137, happy 327, ")
    assert text.endswith(f"; {OPTIMISTIC}") == (OPTIMISTIC in text) == (selection == "test_fold")
    assert caution("test_fold") == OPTIMISTIC


def test_drawn_is_by_seed_0_where_none_is_given(iemocap):
    folds = [make_folds(iemocap, "leave_one_session_out", **o) for o in ({}, {"seed": 0})]
    assert folds[0] == folds[1] != make_folds(iemocap, "leave_one_session_out", seed=1)
