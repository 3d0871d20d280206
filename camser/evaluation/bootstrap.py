"""Intervals of pooled scores, and of their differences, by drawing whole speakers.

Labels and predictions are class indices, one per utterance. Draws are seeded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from camser.evaluation.metrics import check_indices
from camser.evaluation.statistics import as_columns

MIN_SPEAKERS = 5  # fewer give no interval
Pooled = tuple[Sequence[int], Sequence[int], Sequence[str]]  # labels, predictions, speakers


def bootstrap(
    labels: Sequence[int], predictions: Sequence[int], speakers: Sequence[str], num_classes: int,
    draws: int = 2000, seed: int = 0,
) -> dict[str, tuple[float, float] | None]:  # fmt: skip
    """95 % percentile intervals of pooled scores, by drawing speakers with replacement.

    All utterances of a drawn speaker are included, because they are dependent (the cluster
    bootstrap; Field and Welsh, 2007). No model is retrained. With few speakers the intervals are
    too narrow; with fewer than ``MIN_SPEAKERS`` there are none.

    Arguments
    ---------
    labels, predictions, speakers : sequences
        [utterances]; all folds together.
    num_classes, draws, seed : int
        The number of classes, of draws, and the seed of the draws.

    Returns
    -------
    dict
        (low, high) of ``WA``, ``UA`` and ``macro_F1``. A draw is scored over the classes that occur
        in its labels. All are None for fewer than ``MIN_SPEAKERS`` speakers, or where one is
        unknown: "".
    """
    drawn = _draw(labels, predictions, speakers, num_classes, draws, seed)
    if drawn is None:
        return dict.fromkeys(("WA", "UA", "macro_F1"))
    return {name: _interval(values) for name, values in drawn.items()}


def bootstrap_difference(
    one: Pooled, other: Pooled, num_classes: int, draws: int = 2000, seed: int = 0
) -> dict[str, tuple[float, float] | None]:
    """95 % percentile intervals of the differences of two systems' pooled scores, one - other.

    A draw has the same speakers for both, see ``bootstrap``. The systems may differ in the number
    of their runs.

    Arguments
    ---------
    one, other : (labels, predictions, speakers)
        [utterances] each; all folds and runs together.
    num_classes, draws, seed : int
        As for ``bootstrap``.

    Returns
    -------
    dict
        As from ``bootstrap``; all are None too where the systems are tested on different speakers.

    Example
    -------
    >>> labels, speakers = [0, 1] * 5, list("aabbccddee")
    >>> right, wrong = (labels, labels, speakers), (labels, [0, 0] * 5, speakers)
    >>> bootstrap_difference(right, wrong, num_classes=2)["UA"]
    (0.5, 0.5)
    """
    drawn = [_draw(*system, num_classes, draws, seed) for system in (one, other)]
    if {*one[2]} != {*other[2]} or drawn[0] is None or drawn[1] is None:
        return dict.fromkeys(("WA", "UA", "macro_F1"))
    return {name: _interval(values - drawn[1][name]) for name, values in drawn[0].items()}


def _draw(
    labels: Sequence[int], predictions: Sequence[int], speakers: Sequence[str], num_classes: int,
    draws: int, seed: int,
) -> dict[str, np.ndarray] | None:  # fmt: skip
    """The scores of each draw of speakers; None if there are too few, or unknown ones."""
    labels, predictions, speakers = as_columns(
        labels=labels, predictions=predictions, speakers=speakers
    )
    cells = check_indices(labels, predictions, num_classes)
    names, speaker_indices = np.unique(speakers, return_inverse=True)
    if (size := len(names)) < MIN_SPEAKERS or "" in names:
        return None
    confusion = np.zeros((size, num_classes, num_classes), dtype=int)
    np.add.at(confusion, (speaker_indices, *cells), 1)
    # A draw is a count per speaker; its confusion is the sum of theirs, weighted by the counts.
    times = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=draws)
    return _scores_of(np.tensordot(times, confusion, axes=1))


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, (2.5, 97.5)).tolist()
    return low, high


def _scores_of(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Confusion counts [draws, classes, classes] to [draws] of each score."""
    right = np.diagonal(confusion, axis1=1, axis2=2)
    labelled, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    num_present = (labelled > 0).sum(axis=1)  # an absent class has 0 correct: it adds 0 below
    recall, f1 = right / np.maximum(labelled, 1), 2 * right / np.maximum(labelled + predicted, 1)
    means = {"UA": recall.sum(axis=1) / num_present, "macro_F1": f1.sum(axis=1) / num_present}
    return {"WA": right.sum(axis=1) / labelled.sum(axis=1), **means}
