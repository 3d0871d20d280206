"""The uncertainty of scores, and tests of whether two systems differ.

Conventions: labels and predictions are class indices, one per utterance. The scores are those of
``camser.evaluation.metrics``. Random draws are seeded. Every function raises a ValueError where
lengths differ or the input is empty.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from camser.evaluation.metrics import check_indices, scores

LENGTHS = ("under 2 s", "2 to 4 s", "4 to 8 s", "8 s and more")


def over_folds(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean of [folds] and its sample standard deviation (n - 1; None for a single value)."""
    (values,) = _columns(values=values)
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None


def bootstrap(
    labels: Sequence[int], predictions: Sequence[int], speakers: Sequence[str], num_classes: int,
    draws: int = 2000, seed: int = 0,
) -> dict[str, tuple[float, float] | None]:  # fmt: skip
    """95 % percentile intervals of pooled scores, by drawing speakers with replacement.

    All utterances of a drawn speaker are included, because they are dependent (the cluster
    bootstrap; Field and Welsh, 2007). No model is retrained. With few speakers the intervals are
    too narrow.

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
        in its labels. All are None for a single speaker, who leaves nothing to draw from.
    """
    labels, predictions, speakers = _columns(
        labels=labels, predictions=predictions, speakers=speakers
    )
    cells = check_indices(labels, predictions, num_classes)
    names, speaker_indices = np.unique(speakers, return_inverse=True)
    if (size := len(names)) == 1:
        return dict.fromkeys(("WA", "UA", "macro_F1"))
    confusion = np.zeros((size, num_classes, num_classes), dtype=int)
    np.add.at(confusion, (speaker_indices, *cells), 1)
    # A draw is a count per speaker; its confusion is the sum of theirs, weighted by the counts.
    times = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=draws)
    drawn = _scores_of(np.tensordot(times, confusion, axes=1))
    return {name: tuple(np.percentile(v, (2.5, 97.5)).tolist()) for name, v in drawn.items()}


def mcnemar(labels: Sequence, one: Sequence, other: Sequence) -> dict:
    """McNemar's exact test of two systems' predictions, indices or names, of [utterances].

    It assumes independent utterances. Those of one speaker are not, so the p-value is too small.

    Returns
    -------
    dict
        ``only_one``, ``only_other``: how many utterances only that system gets right. ``p_value``:
        two-sided binomial, 1.0 where both counts are 0.
    """
    from scipy.stats import binomtest

    labels, one, other = _columns(labels=labels, one=one, other=other)
    only_one = int(np.sum((one == labels) & (other != labels)))
    only_other = int(np.sum((one != labels) & (other == labels)))
    total = only_one + only_other
    p_value = float(binomtest(only_one, total).pvalue) if total else 1.0
    return {"only_one": only_one, "only_other": only_other, "p_value": p_value}


def paired_folds(one: Sequence[float], other: Sequence[float]) -> dict:
    """Two systems' scores on the same [folds], with the paired t-test.

    Folds share training data, so their differences are not independent. The p-value is therefore
    too small (Dietterich, 1998; Bengio and Grandvalet, 2004).

    Returns
    -------
    dict
        ``mean`` and ``deviation`` of one - other, as in ``over_folds``; ``p_value``: two-sided;
        1.0 where all differences are zero, None for a single fold or where all are equal and not
        zero; ``wins``, ``losses`` and ``ties`` of ``one``.
    """
    from scipy.stats import ttest_rel

    one, other = _columns(one=one, other=other)
    difference = np.round(one - other, 12)  # scores that differ in their last bits are a tie
    mean, deviation = over_folds(difference)
    if np.ptp(difference) == 0:  # t is 0 / 0 or infinite
        p_value = 1.0 if len(difference) > 1 and not difference.any() else None
    else:
        p_value = float(ttest_rel(difference, np.zeros_like(difference)).pvalue)
    signs = {"wins": difference > 0, "losses": difference < 0, "ties": difference == 0}
    counts = {name: int(folds.sum()) for name, folds in signs.items()}
    return {"mean": mean, "deviation": deviation, "p_value": p_value, **counts}


def calibration(labels: Sequence[int], log_probabilities: np.ndarray, num_bins: int = 10) -> dict:
    """Whether confidence matches accuracy: expected calibration error (ECE; Guo et al., 2017).

    Arguments
    ---------
    labels : sequence of int
        [utterances]
    log_probabilities : array
        [utterances, classes], natural logarithms; the probabilities of a row sum to 1 within 0.001.
    num_bins : int
        Bins of equal width over the prediction's probability; a bin includes its upper edge.

    Returns
    -------
    dict
        ``ece`` in [0, 1]; ``nll``: the mean of -log p of the label, in nats, infinite where a p is
        0; ``brier``: the squared error summed over the classes, in [0, 2]; arrays ``edges``
        [bins + 1], ``confidence``, ``accuracy`` (means; nan in an empty bin), ``count`` [bins].
    """
    logs = np.asarray(log_probabilities, dtype=float)
    labels, predictions = check_indices(labels, logs.argmax(axis=1), logs.shape[1])
    probabilities = np.exp(logs)
    totals = probabilities.sum(axis=1)
    if not np.allclose(totals, 1.0, rtol=0, atol=1e-3):
        raise ValueError(f"probabilities sum to {totals.min():g} … {totals.max():g}; allowed: 1")
    confidence, right = probabilities.max(axis=1), predictions == labels
    edges = np.linspace(0.0, 1.0, num_bins + 1)
    bins = np.clip(np.searchsorted(edges, confidence) - 1, 0, num_bins - 1)
    count = np.bincount(bins, minlength=num_bins)
    sure, true = (np.bincount(bins, weights=w, minlength=num_bins) for w in (confidence, right))
    size = np.where(count, count, np.nan)  # an empty bin has no mean
    arrays = {"edges": edges, "confidence": sure / size, "accuracy": true / size, "count": count}
    brier = np.sum((probabilities - np.eye(logs.shape[1])[labels]) ** 2, axis=1).mean()
    ece, nll = np.abs(sure - true).sum() / len(labels), -logs[np.arange(len(labels)), labels].mean()
    return {"ece": float(ece), "nll": float(nll), "brier": float(brier), **arrays}


def by_group(
    labels: Sequence[int], predictions: Sequence[int], groups: Sequence[str], classes: Sequence[str]
) -> dict[str, dict]:
    """``metrics.scores`` of each group of [utterances], by group name; the group "" is skipped."""
    labels, predictions, groups = _columns(labels=labels, predictions=predictions, groups=groups)
    masks = {name: groups == name for name in np.unique(groups).tolist() if name}
    return {name: scores(labels[m], predictions[m], classes) for name, m in masks.items()}


def length_groups(seconds: Sequence[float]) -> list[str]:
    """The name of each length's group, [utterances]; a length on an edge is in the longer group.

    Example
    -------
    >>> length_groups([1.9, 2, 30])
    ['under 2 s', '2 to 4 s', '8 s and more']
    """
    return [LENGTHS[i] for i in np.digitize(seconds, (2, 4, 8))]


def _scores_of(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Confusion counts [draws, classes, classes] to [draws] of each score."""
    right = np.diagonal(confusion, axis1=1, axis2=2)
    labelled, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    num_present = (labelled > 0).sum(axis=1)  # an absent class has 0 correct: it adds 0 below
    recall, f1 = right / np.maximum(labelled, 1), 2 * right / np.maximum(labelled + predicted, 1)
    means = {"UA": recall.sum(axis=1) / num_present, "macro_F1": f1.sum(axis=1) / num_present}
    return {"WA": right.sum(axis=1) / labelled.sum(axis=1), **means}


def _columns(**columns: Sequence) -> list[np.ndarray]:
    arrays = [np.asarray(values) for values in columns.values()]
    if any(a.ndim != 1 or not len(a) or len(a) != len(arrays[0]) for a in arrays):
        shapes = ", ".join(f"{a.shape} {name}" for a, name in zip(arrays, columns, strict=True))
        raise ValueError(f"{shapes}; allowed: lists of the same length, not empty")
    return arrays
