"""How your own labels are tested: the protocol that they allow, and the scores of all folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from camser.data.folds import FoldError, make_folds, score_note
from camser.data.manifest import Utterance
from camser.evaluation import metrics
from camser.evaluation.results import PREDICTIONS, read_predictions

MAX_SPEAKERS = 10  # with up to so many, each is left out once
NUM_FOLDS = 5


def choose_protocol(
    utterances: Sequence[Utterance], num_folds: int | None = None, protocol: str | None = None
) -> dict[str, Any]:
    """The settings ``protocol`` and ``num_folds``: the best test that a corpus allows.

    The corpus's own split, if it has one; else each of up to ten speakers is left out once, or
    groups of speakers are, or groups of files where speakers are unknown.

    Raises
    ------
    FoldError
        If no test is possible; the message has the reason.

    Example
    -------
    >>> speakers = [Utterance(f"{i}", "x", f"{i}.wav", 1.0, f"x/{i % 12}", emotion="sad")
    ...             for i in range(24)]
    >>> choose_protocol(speakers)
    {'protocol': 'speaker_k_fold', 'num_folds': 5}
    """
    if protocol is None and num_folds is None:
        protocol = _own_protocol(utterances)
    if protocol not in (None, "speaker_k_fold"):
        make_folds(utterances, protocol)
        return {"protocol": protocol, "num_folds": None}
    error = FoldError("num_folds must be 3 and more")
    for number in [num_folds] if num_folds else range(NUM_FOLDS, 2, -1):
        try:
            make_folds(utterances, "speaker_k_fold", num_folds=number)
        except FoldError as problem:
            error = problem
        else:
            return {"protocol": "speaker_k_fold", "num_folds": number}
    raise FoldError(
        f"the labels do not suffice for a test: {error}; each class needs recordings of three "
        f"speakers, or three files where speakers are unknown"
    )


def _own_protocol(utterances: Sequence[Utterance]) -> str | None:
    if all(u.split for u in utterances):
        return "given"
    speakers = {u.speaker for u in utterances}
    is_small = 3 <= len(speakers) <= MAX_SPEAKERS and "" not in speakers
    return "leave_one_speaker_out" if is_small else None


def speakers_suffice(utterances: Sequence[Utterance]) -> bool:
    """Whether the speakers, where they are known, can be divided: there are three and more."""
    speakers = Counter(u.speaker for u in utterances)
    return "" in speakers or len(speakers) >= 3


def cross_validated_scores(runs: Sequence[tuple[Path, Mapping[str, Any]]]) -> dict[str, Any]:
    """The scores over the test utterances of all folds, for ``config.json``.

    Arguments
    ---------
    runs : sequence of (Path, mapping)
        The output folder, and ``results.json``, of each fold's run.

    Returns
    -------
    dict
        As ``metrics.scores``, with ``protocol``, ``num_folds``, ``speakers_known``,
        ``shared_speakers`` (how many of a fold's tested speakers are in its training, at most) and
        ``note``.
    """
    first = runs[0][1]
    classes = first["labels"]
    rows = [row for folder, _ in runs for row in read_predictions(folder / PREDICTIONS)]
    labels = [classes.index(row["label"]) for row in rows]
    predictions = [classes.index(row["prediction"]) for row in rows]
    known = all(results.get("speakers_known", True) for _, results in runs)
    shared = max(results.get("shared_speakers", 0) for _, results in runs)
    return {
        **metrics.scores(labels, predictions, classes),
        "protocol": first["protocol"],
        "num_folds": len(runs),
        "speakers_known": known,
        "shared_speakers": shared,
        "note": score_note(first["selection"], known, shared_speakers=shared),
    }
