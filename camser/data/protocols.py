"""Evaluation protocols: which utterances are tested, and which validate.

Speakers are never divided between splits, except under ``given_shared``. Where a speaker is
unknown, the file is not divided.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from camser.data.manifest import Utterance

SPLITS = ("train", "valid", "test")
MAX_NAMED = 5  # speakers in a fold's name
SHARED = "given_shared"  # as given; speakers may be in train and test, and scores say so


class FoldError(ValueError):
    """A protocol is unknown or does not fit the corpus."""


class ProtocolOptions(NamedTuple):
    """The options of ``folds.make_folds`` that a protocol may read."""

    selection: str
    num_folds: int | None
    valid_fraction: float
    target_corpus: str | None
    seed: int

    @property
    def min_folds(self) -> int:
        """How many parts a corpus is divided into at least: one to train on, and one to test on."""
        return 2 if self.selection == "none" else 3


Rows = Sequence[Utterance]
Parts = Iterator[tuple[str, Rows, Rows]]  # name, test and valid


def unit_of(utterance: Utterance) -> str:
    """What is never divided between splits: the speaker or, if that is unknown, the file."""
    return utterance.speaker or f"{utterance.corpus}/{utterance.path}"


def _of_units(utterances: Rows, units: Collection[str]) -> Rows:
    return [u for u in utterances if unit_of(u) in units]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise FoldError(message)


def _leave_one_speaker_out(utterances: Rows, options: ProtocolOptions) -> Parts:
    """Valid: the other speaker of the session, or the next in sorted order, cyclically."""
    unknown = sum(not u.speaker for u in utterances)
    _require(
        not unknown,
        f"leave_one_speaker_out: {unknown} utterances have no speaker; give their speakers, or "
        f"take protocol speaker_k_fold, which then divides by file",
    )
    speakers, least = sorted({u.speaker for u in utterances}), options.min_folds
    _require(
        len(speakers) >= least,
        f"leave_one_speaker_out needs {least} speakers; there are {len(speakers)}",
    )
    sessions = defaultdict(set)
    for u in utterances:
        sessions[u.speaker].add((u.corpus, u.session) if u.session else None)
    for i, test in enumerate(speakers):
        partners = [s for s in speakers if s != test and sessions[s] == sessions[test] != {None}]
        valid = partners[0] if partners else speakers[(i + 1) % len(speakers)]
        yield test, _of_units(utterances, {test}), _of_units(utterances, {valid})


def _leave_one_session_out(utterances: Rows, options: ProtocolOptions) -> Parts:
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


def _speaker_k_fold(utterances: Rows, options: ProtocolOptions) -> Parts:
    """Test: a group of speakers, balanced by gender where it is known; valid: the next group."""
    units, k = _by_kind(utterances), options.num_folds
    is_known = all(u.speaker for u in utterances)
    if not isinstance(k, int) or not options.min_folds <= k <= len(units):
        raise FoldError(
            f"speaker_k_fold: num_folds is {k!r}; allowed: {options.min_folds} up to the "
            f"{len(units)} {'speakers' if is_known else 'files'}"
        )
    groups = [units[i::k] for i in range(k)]
    for number, test in enumerate(groups):
        valid = groups[(number + 1) % k]
        name = _name(test) if is_known else f"files {number + 1} of {k}"
        yield name, _of_units(utterances, {*test}), _of_units(utterances, {*valid})


def _by_kind(utterances: Rows) -> list[str]:
    """The units in an order in which every k-th ones are alike: by gender, files by emotion."""
    by_gender = all(u.gender for u in utterances)
    kinds: dict[str, Counter] = defaultdict(Counter)
    for u in utterances:
        kind = u.gender if by_gender else "", "" if u.speaker else u.emotion
        kinds[unit_of(u)][kind] += 1
    return sorted(kinds, key=lambda unit: (min(_most_frequent(kinds[unit])), unit))


def _most_frequent(counts: Counter) -> list:
    return [kind for kind, count in counts.items() if count == max(counts.values())]


def _name(speakers: Sequence[str]) -> str:
    first, *others = sorted(speakers)
    return "+".join(sorted(speakers)) if len(others) < MAX_NAMED else f"{first}+{len(others)}"


def _cross_corpus(utterances: Rows, options: ProtocolOptions) -> Parts:
    """Test: the target corpus; valid: held-out speakers of each source corpus."""
    corpora, target = sorted({u.corpus for u in utterances}), options.target_corpus
    if target not in corpora or len(corpora) < 2:
        raise FoldError(
            f"cross_corpus: target_corpus is {target!r}; allowed: one of several corpora, here "
            f"{corpora}"
        )
    valid: list[Utterance] = []
    for corpus in corpora:
        if corpus != target:
            valid += _held_out([u for u in utterances if u.corpus == corpus], options)
    yield target, [u for u in utterances if u.corpus == target], valid


def _held_out(utterances: Rows, options: ProtocolOptions) -> Rows:
    """The utterances of drawn speakers, or of drawn files of all emotions: ``valid_fraction``."""
    units, draw = sorted({unit_of(u) for u in utterances}), random.Random(options.seed)
    count = max(1, round(options.valid_fraction * len(units)))
    if all(u.speaker for u in utterances):
        return _of_units(utterances, {*draw.sample(units, count)})
    draw.shuffle(units)
    emotions = {unit_of(u): u.emotion for u in utterances}
    units.sort(key=lambda unit: emotions[unit])
    return _of_units(
        utterances, {units[(2 * i + 1) * len(units) // (2 * count)] for i in range(count)}
    )


def _given(utterances: Rows, options: ProtocolOptions) -> Parts:
    """As the corpus itself says: one division, or folds by name. Valid: if not said, drawn."""
    parts: dict[str, list[Utterance]] = defaultdict(list)
    for u in utterances:
        parts[u.split].append(u)
    unknown = len(parts.pop("", ()))
    _require(not unknown, f"given: {unknown} of {len(utterances)} utterances have no split")
    names = sorted(parts, key=lambda name: (len(name), name))  # fold2 before fold10
    is_named = not parts.keys() & {*SPLITS}
    _require(
        len(parts) >= 2 and (is_named or {"train", "test"} <= parts.keys() <= {*SPLITS}),
        f"given: the splits are {', '.join(names)}; allowed: train, test and perhaps valid; or the "
        f"names of two and more folds",
    )
    for test, following in zip(names, [*names[1:], names[0]], strict=True) if is_named else ():
        rest = [u for u in utterances if u.split != test]
        yield test, parts[test], parts[following] if len(parts) > 2 else _held_out(rest, options)
    if not is_named:
        yield "given", parts["test"], parts["valid"] or _held_out(parts["train"], options)


def _all(utterances: Rows, options: ProtocolOptions) -> Parts:
    """No test split: for a final model. Valid: drawn."""
    _require(bool(utterances), "all: there are no utterances")
    _require(
        options.selection != "test_fold",
        "protocol all has no test split; allowed selections: held_out, none",
    )
    yield "all", (), _held_out(utterances, options)


PROTOCOLS: dict[str, Callable[[Rows, ProtocolOptions], Parts]] = {
    "leave_one_speaker_out": _leave_one_speaker_out,
    "leave_one_session_out": _leave_one_session_out,
    "speaker_k_fold": _speaker_k_fold,
    "cross_corpus": _cross_corpus,
    "given": _given,
    SHARED: _given,
    "all": _all,
}
