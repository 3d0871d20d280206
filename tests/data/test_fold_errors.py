"""Folds that are refused, with what is allowed; and the smallest corpora that are enough."""

from dataclasses import replace

import pytest

from camser.data.folds import PROTOCOLS, FoldError, make_folds
from tests.data.test_folds import assert_a_division
from tests.helpers.fake_utterances import emodb, ravdess, utterance


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (emodb(), {"protocol": "random"}, f"allowed: {', '.join(PROTOCOLS)}$"),
        (emodb(), {"selection": "best"}, "selection is 'best'; allowed: held_out, test_fold, none"),
        (emodb(2), {}, "leave_one_speaker_out needs 3 speakers; there are 2"),
        ([], {}, "needs 3 speakers; there are 0"),
        (emodb(), {"protocol": "leave_one_session_out"}, "needs a corpus with sessions"),
        ([], {"protocol": "leave_one_session_out"}, "needs a corpus with sessions"),
        (
            [*emodb(), *(replace(u, id=f"s/{u.id}", session="S1") for u in emodb())],
            {"protocol": "leave_one_session_out"},
            r"needs a corpus with sessions; there are: \['', 'S1'\]",
        ),
        (
            emodb(2),
            {"protocol": "speaker_k_fold", "num_folds": 3},
            "num_folds is 3; allowed: 3 up to the 2 sp",
        ),
        (emodb(), {"protocol": "speaker_k_fold"}, "num_folds is None; allowed: 3 up to the 10"),
        (emodb(), {"protocol": "speaker_k_fold", "num_folds": 2}, "num_folds is 2; allowed"),
        (emodb(), {"protocol": "speaker_k_fold", "num_folds": 11}, "num_folds is 11; allowed"),
        (emodb(), {"protocol": "speaker_k_fold", "num_folds": "3"}, "num_folds is '3'; allowed"),
        (emodb(), {"protocol": "cross_corpus"}, "target_corpus is None; allowed: one of several"),
        (
            emodb(),
            {"protocol": "cross_corpus", "target_corpus": "emodb"},
            r"several corpora, here \[",
        ),
        (
            emodb() + ravdess(),
            {"protocol": "cross_corpus", "target_corpus": "iemocap"},
            "'iemocap'",
        ),
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


def test_emotions_that_occur_once_cannot_be_stratified():
    rows = [
        utterance(f"{s}{d}", f"small/{s}", "male", emotion, session=f"S{s}", dialogue=f"D{d}")
        for s in range(2)
        for d, emotion in enumerate(("angry", "sad"))
    ]
    with pytest.raises(FoldError, match="each emotion occurs once; one must occur twice"):
        make_folds(rows, "leave_one_session_out")


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
    expected = r"fold 0 \(S0\): speakers in train and test: \['small/X'\]"
    with pytest.raises(FoldError, match=expected):
        make_folds(rows, "leave_one_session_out")


def test_a_speaker_of_two_corpora_is_named():
    rows = [*ravdess(), *(replace(u, id=u.id + "b", corpus="again") for u in ravdess())]
    with pytest.raises(FoldError, match=r"speakers in train and test: .*Actor_00"):
        make_folds(rows, "cross_corpus", target_corpus="again")


def test_an_empty_split_is_named():
    """The one speaker of the source corpus is held out for validation."""
    rows = [*emodb(), *(replace(u, speaker="ravdess/01") for u in ravdess())]
    with pytest.raises(FoldError, match=r"fold 0 \(emodb\): its train split is empty"):
        make_folds(rows, "cross_corpus", target_corpus="emodb")
