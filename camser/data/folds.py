"""The folds of a protocol: train, valid and test splits that are checked, and notes on scores.

No speaker of the test split is in the train split; where a speaker is unknown, no file is. The one
exception is the protocol ``given_shared``, for published folds that divide speakers.

The three splits are disjoint, with one exception: ``selection="test_fold"``, as in the published
code. There, the valid split is the test split, so the best epoch is selected on the test split and
the score is optimistic. ``selection="none"`` has no valid split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from camser.data.manifest import Utterance
from camser.data.protocols import PROTOCOLS, SHARED, SPLITS, FoldError, ProtocolOptions, unit_of

SELECTIONS = ("held_out", "test_fold", "none")
FOLD_KEYS = ("protocol", "selection", "num_folds", "valid_fraction", "target_corpus", "seed")
OPTIMISTIC = "selected on the test fold (optimistic)"
UNKNOWN_SPEAKERS = "speakers unknown: may be optimistic"
SHARED_SPEAKERS = "speakers in train and test (optimistic)"
REASONS = {
    OPTIMISTIC: "the same utterances chose the epoch and gave the scores, which are too high",
    UNKNOWN_SPEAKERS: "the tested files may be of the speakers of the training",
    SHARED_SPEAKERS: "the tested speakers were heard in training, so scores are too high",
}


def score_note(
    selection: str, speakers_known: bool = True, before: str = "", shared_speakers: int = 0
) -> str:
    """The note that must follow reported scores, after ``before``; empty if they need none.

    Example
    -------
    >>> score_note("test_fold", before=", "), score_note("held_out", before=", ")
    (', selected on the test fold (optimistic)', '')
    >>> score_note("held_out", speakers_known=False)
    'speakers unknown: may be optimistic'
    """
    notes = [OPTIMISTIC] * (selection == "test_fold") + [UNKNOWN_SPEAKERS] * (not speakers_known)
    notes += [SHARED_SPEAKERS] * bool(shared_speakers)
    return before + "; ".join(notes) if notes else ""


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
        The splits. ``valid`` is empty under selection "none", ``test`` under protocol "all".
    """

    index: int
    name: str
    train: tuple[Utterance, ...]
    valid: tuple[Utterance, ...]
    test: tuple[Utterance, ...]

    @property
    def speakers_known(self) -> bool:
        """Whether every utterance's speaker is known."""
        return all(u.speaker for split in (self.train, self.valid, self.test) for u in split)

    @property
    def shared_speakers(self) -> int:
        """How many of the tested speakers are in the train split too."""
        return len({u.speaker for u in self.test} & {u.speaker for u in self.train} - {""})

    def note(self, selection: str, before: str = "") -> str:
        """The ``score_note`` of this fold."""
        return score_note(selection, self.speakers_known, before, self.shared_speakers)


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
        "leave_one_speaker_out", "leave_one_session_out", "speaker_k_fold", "cross_corpus", "given"
        (the manifest's ``split``), "given_shared" (the same, though splits share speakers) or "all"
        (no test split).
    selection : str
        "held_out"; "test_fold" as in the published code; or "none": no valid split.
    num_folds : int, optional
        The number of speaker groups in ``speaker_k_fold``.
    valid_fraction : float
        The share held out of the other sessions' dialogues (``leave_one_session_out``), of the
        source corpora's speakers (``cross_corpus``), or of the speakers (``all``, and ``given``
        where no utterance's split is "valid").
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
        If the protocol or the selection is unknown or does not fit the corpus; it lists what is
        wrong with each fold.
    """
    if selection not in SELECTIONS:
        raise FoldError(f"selection is {selection!r}; allowed: {', '.join(SELECTIONS)}")
    if protocol not in PROTOCOLS:
        raise FoldError(f"protocol is {protocol!r}; allowed: {', '.join(PROTOCOLS)}")
    if not 0 < valid_fraction <= 0.5:
        raise FoldError(f"valid_fraction is {valid_fraction}; allowed: above 0, up to 0.5")
    options = ProtocolOptions(selection, num_folds, valid_fraction, target_corpus, seed)
    folds: list[Fold] = []
    problems: list[str] = []
    for name, test, valid in PROTOCOLS[protocol](utterances, options):
        valid = {"test_fold": test, "none": ()}.get(selection, valid)
        taken = {u.id for u in (*test, *valid)}
        train = tuple(u for u in utterances if u.id not in taken)
        fold = Fold(len(folds), name, train, tuple(valid), tuple(test))
        problems += (
            f"fold {fold.index} ({name}): {p}" for p in _problems(fold, protocol, selection)
        )
        folds.append(fold)
    if problems:
        raise FoldError("\n".join(problems))
    return folds


def folds_of(utterances: Sequence[Utterance], settings: Mapping[str, Any]) -> list[Fold]:
    """All folds of a run's settings, see ``make_folds``."""
    return make_folds(utterances, **{name: settings[name] for name in FOLD_KEYS})


def choose_fold(all_folds: Sequence[Fold], values: Mapping[str, Any]) -> Fold:
    """The fold that the setting ``fold`` selects."""
    if type(values["fold"]) is not int or not 0 <= values["fold"] < len(all_folds):
        names = ", ".join(f"{fold.index} ({fold.name})" for fold in all_folds)
        raise FoldError(f"fold is {values['fold']!r}; {values['protocol']} has: {names}")
    return all_folds[values["fold"]]


def _problems(fold: Fold, protocol: str, selection: str) -> Iterator[str]:
    """Empty splits, speakers (or files) in two splits, and classes that are not trained."""
    may_be_empty = {"valid": selection == "none", "test": protocol == "all"}
    for split in SPLITS:
        if not getattr(fold, split) and not may_be_empty.get(split):
            yield f"its {split} split is empty"
    pairs = [] if protocol == SHARED else [("train", "test")]
    if protocol == "given" and selection != "test_fold":
        pairs += [("train", "valid"), ("valid", "test")]
    for one, other in pairs:
        units = [{unit_of(u): u for u in getattr(fold, split)} for split in (one, other)]
        if shared := sorted(units[0].keys() & units[1].keys()):
            kind = "speakers" if any(units[0][name].speaker for name in shared) else "files"
            more = f" and {len(shared) - 5} more" if len(shared) > 5 else ""
            yield f"{kind} in {one} and {other}: {shared[:5]}{more}"
    counts = Counter(u.emotion for u in (*fold.train, *fold.valid, *fold.test))
    if fold.train and (untrained := sorted({*counts} - {u.emotion for u in fold.train})):
        classes = ", ".join(f"{name} ({counts[name]} in the corpus)" for name in untrained)
        yield f"its train split has no {classes}"


def describe_fold(fold: Fold, selection: str) -> str:
    """One line for logs: sizes, classes, and the note on scores that may be optimistic."""
    sizes = ", ".join(f"{s} {len(getattr(fold, s))}" for s in SPLITS)
    counts = sorted(Counter(u.emotion for u in fold.test).items())
    classes = f"; test holds {', '.join(f'{k} {v}' for k, v in counts)}" if counts else ""
    shared = f"; {fold.shared_speakers} speakers in train and test" * bool(fold.shared_speakers)
    note = fold.note(selection, "; ")
    return f"fold {fold.index} ({fold.name}): {sizes}{classes}{shared}{note}"
