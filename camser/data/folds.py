"""Evaluation protocols: which utterances are in the train, valid and test splits.

No speaker of the test split is ever in the train split. The three splits are disjoint, with one
exception: ``selection="test_fold"``, as in the published code. There, the valid split is the test
split, so the best epoch is selected on the test split and the score is optimistic.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from camser.data.manifest import Utterance

SELECTIONS = ("held_out", "test_fold")
FOLD_KEYS = ("protocol", "selection", "num_folds", "valid_fraction", "target_corpus", "seed")
OPTIMISTIC = "selected on the test fold (optimistic)"


def selection_note(selection: str, before: str = "") -> str:
    """The note that must follow reported scores, after ``before``; empty if they need none.

    Example
    -------
    >>> selection_note("test_fold", ", "), selection_note("held_out", ", ")
    (', selected on the test fold (optimistic)', '')
    """
    return before + OPTIMISTIC if selection == "test_fold" else ""


class FoldError(ValueError):
    """A protocol is unknown or does not fit the corpus."""


@dataclass(frozen=True)
class Fold:
    """One division into train, valid and test splits.

    Arguments
    ---------
    index : int
        From 0, in the order of ``name``.
    name : str
        The test split's name, e.g. a speaker.
    train, valid, test : tuple of Utterance
        The splits.
    """

    index: int
    name: str
    train: tuple[Utterance, ...]
    valid: tuple[Utterance, ...]
    test: tuple[Utterance, ...]


def make_folds(
    utterances: Sequence[Utterance],
    protocol: str,
    selection: str = "held_out",
    num_folds: int | None = None,
    valid_fraction: float = 0.1,
    target_corpus: str | None = None,
    seed: int = 0,
) -> list[Fold]:
    """Make all folds of a protocol.

    Arguments
    ---------
    utterances : sequence of Utterance
        The manifest.
    protocol : str
        "leave_one_speaker_out", "leave_one_session_out", "speaker_k_fold" or "cross_corpus".
    selection : str
        "held_out", or "test_fold" as in the published code.
    num_folds : int, optional
        The number of speaker groups in ``speaker_k_fold``.
    valid_fraction : float
        The share held out of the other sessions' dialogues (``leave_one_session_out``) or of the
        source corpora's speakers (``cross_corpus``).
    target_corpus : str, optional
        The test corpus in ``cross_corpus``; all others are for training and validation.
    seed : int
        Seed of the random choice of those dialogues and speakers; test splits are never random.

    Returns
    -------
    list of Fold

    Raises
    ------
    FoldError
        If the protocol or the selection is unknown or does not fit the corpus.
    """
    if selection not in SELECTIONS:
        raise FoldError(f"selection is {selection!r}; allowed: {', '.join(SELECTIONS)}")
    if protocol not in PROTOCOLS:
        raise FoldError(f"protocol is {protocol!r}; allowed: {', '.join(PROTOCOLS)}")
    if not 0 < valid_fraction <= 0.5:
        raise FoldError(f"valid_fraction is {valid_fraction}; allowed: above 0, up to 0.5")
    options = selection, num_folds, valid_fraction, target_corpus, seed
    folds: list[Fold] = []
    for name, test, valid in PROTOCOLS[protocol](utterances, _Options(*options)):
        if selection == "test_fold":
            valid = test
        taken = {u.id for u in (*test, *valid)}
        train = tuple(u for u in utterances if u.id not in taken)
        folds.append(Fold(len(folds), name, train, tuple(valid), tuple(test)))
        _check(folds[-1])
    return folds


def folds_of(utterances: Sequence[Utterance], settings: Mapping[str, Any]) -> list[Fold]:
    """All folds of a run's settings, see ``make_folds``."""
    return make_folds(utterances, **{name: settings[name] for name in FOLD_KEYS})


def _check(fold: Fold) -> None:
    """Raise a FoldError if a split is empty, or a speaker is in the train and test splits."""
    for split in ("train", "valid", "test"):
        if not getattr(fold, split):
            raise FoldError(f"fold {fold.index} ({fold.name}): its {split} split is empty")
    speakers = {u.speaker for u in fold.train} & {u.speaker for u in fold.test}
    if speakers:
        raise FoldError(
            f"fold {fold.index} ({fold.name}): speakers in train and test: {sorted(speakers)}"
        )


class _Options(NamedTuple):
    selection: str
    num_folds: int | None
    valid_fraction: float
    target_corpus: str | None
    seed: int


Rows = Sequence[Utterance]
Splits = Iterator[tuple[str, Rows, Rows]]  # name, test and valid


def _by_speakers(utterances: Rows, speakers: Collection[str]) -> Rows:
    return [u for u in utterances if u.speaker in speakers]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise FoldError(message)


def _leave_one_speaker_out(utterances: Rows, options: _Options) -> Splits:
    """Valid: the other speaker of the session, or the next in sorted order, cyclically."""
    speakers = sorted({u.speaker for u in utterances})
    _require(
        len(speakers) >= 3, f"leave_one_speaker_out needs 3 speakers; there are {len(speakers)}"
    )
    sessions = defaultdict(set)
    for u in utterances:
        sessions[u.speaker].add((u.corpus, u.session) if u.session else None)
    for i, test in enumerate(speakers):
        partners = [s for s in speakers if s != test and sessions[s] == sessions[test] != {None}]
        valid = partners[0] if partners else speakers[(i + 1) % len(speakers)]
        yield test, _by_speakers(utterances, {test}), _by_speakers(utterances, {valid})


def _leave_one_session_out(utterances: Rows, options: _Options) -> Splits:
    """Valid: complete dialogues of the other sessions, stratified by emotion."""
    sessions = sorted({u.session for u in utterances})
    _require(
        "" not in sessions and len(sessions) >= 2,
        f"leave_one_session_out needs a corpus with sessions; there are: {sessions}",
    )
    for name in sessions:
        test = [u for u in utterances if u.session == name]
        valid: Rows = []
        if options.selection == "held_out":
            rest = [u for u in utterances if u.session != name]
            valid = _stratified_dialogues(rest, options.valid_fraction, options.seed)
        yield name, test, valid


def _stratified_dialogues(utterances: Rows, fraction: float, seed: int) -> Rows:
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold

    dialogues = [f"{u.session}/{u.dialogue}" for u in utterances]
    names, groups = np.unique(dialogues, return_inverse=True)
    emotions = [u.emotion for u in utterances]
    most = max(Counter(emotions).values())
    _require(len(names) >= 2, "the other sessions hold one dialogue; valid needs one of its own")
    _require(most >= 2, "in the other sessions each emotion occurs once; one must occur twice")
    num_splits = min(round(1 / fraction), len(names), most)
    # Shuffled here, because some versions of scikit-learn do not stratify when they shuffle.
    order = np.argsort(np.random.RandomState(seed).permutation(len(names)))
    _, chosen = next(StratifiedGroupKFold(num_splits).split(emotions, emotions, order[groups]))
    return [utterances[i] for i in chosen]


def _speaker_k_fold(utterances: Rows, options: _Options) -> Splits:
    """Test: a group of speakers, balanced by gender; valid: the next group."""
    genders = {u.speaker: u.gender for u in utterances}
    speakers = sorted(genders, key=lambda s: (genders[s], s))
    k = options.num_folds
    if not isinstance(k, int) or not 3 <= k <= len(speakers):
        raise FoldError(
            f"speaker_k_fold: num_folds is {k!r}; allowed: 3 up to the {len(speakers)} speakers"
        )
    groups = [speakers[i::k] for i in range(k)]
    for test, valid in zip(groups, [*groups[1:], groups[0]], strict=True):
        name = "+".join(sorted(test))
        yield name, _by_speakers(utterances, test), _by_speakers(utterances, valid)


def _cross_corpus(utterances: Rows, options: _Options) -> Splits:
    """Test: the target corpus; valid: held-out speakers of each source corpus."""
    corpora, target = sorted({u.corpus for u in utterances}), options.target_corpus
    if target not in corpora or len(corpora) < 2:
        raise FoldError(
            f"cross_corpus: target_corpus is {target!r}; allowed: one of several corpora, here "
            f"{corpora}"
        )
    valid: set[str] = set()
    for corpus in corpora:
        if corpus != target:
            speakers = sorted({u.speaker for u in utterances if u.corpus == corpus})
            count = max(1, round(options.valid_fraction * len(speakers)))
            valid.update(random.Random(options.seed).sample(speakers, count))
    test = [u for u in utterances if u.corpus == target]
    sources = [u for u in utterances if u.corpus != target]
    yield target, test, _by_speakers(sources, valid)


PROTOCOLS: dict[str, Callable[[Rows, _Options], Splits]] = {
    "leave_one_speaker_out": _leave_one_speaker_out,
    "leave_one_session_out": _leave_one_session_out,
    "speaker_k_fold": _speaker_k_fold,
    "cross_corpus": _cross_corpus,
}


def describe_fold(fold: Fold, selection: str) -> str:
    """One line for logs: sizes, classes, and the note on an optimistic selection."""
    sizes = ", ".join(f"{s} {len(getattr(fold, s))}" for s in ("train", "valid", "test"))
    classes = ", ".join(
        f"{k} {v}" for k, v in sorted(Counter(u.emotion for u in fold.test).items())
    )
    note = selection_note(selection, "; ")
    return f"fold {fold.index} ({fold.name}): {sizes}; test holds {classes}{note}"
