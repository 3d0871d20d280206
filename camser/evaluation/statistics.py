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
    (values,) = as_columns(values=values)
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None


def sign_flip(labels: Sequence, one: Sequence, other: Sequence, speakers: Sequence) -> dict:
    """Whether two systems differ in correct predictions: an exact sign-flip test over speakers.

    The utterances of one speaker are dependent, so McNemar's test of utterances finds too many
    differences. Here the speaker is the unit, as the independent segment is in Gillick and Cox
    (1989). If the systems do not differ, each speaker's difference of correct counts has either
    sign with the same probability (Fisher's randomization test; Noreen, 1989, chapter 2).

    Arguments
    ---------
    labels, one, other, speakers : sequences
        [utterances]; the predictions of two systems; indices or names.

    Returns
    -------
    dict
        ``only_one``, ``only_other``: how many utterances only that system gets right. ``p_value``:
        the two-sided share of the 2^speakers assignments of signs; at least 2 / 2^k where k
        speakers differ, 1.0 where none does, None where a speaker is unknown: "".

    Example
    -------
    >>> sign_flip([1] * 6, [1] * 6, [0] * 6, ["a", "a", "b", "b", "c", "c"])["p_value"]
    0.25
    """
    labels, one, other, speakers = as_columns(
        labels=labels, one=one, other=other, speakers=speakers
    )
    gain = (one == labels).astype(int) - (other == labels)
    differences = [int(gain[speakers == name].sum()) for name in np.unique(speakers)]
    chances = np.ones(1)  # of each sum of signed differences, from the lowest in steps of one
    for size in map(abs, differences):
        chances = (np.pad(chances, (0, 2 * size)) + np.pad(chances, (2 * size, 0))) / 2
    sums = np.arange(len(chances)) - len(chances) // 2
    p_value = chances[np.abs(sums) >= abs(sum(differences))].sum()
    counts = {"only_one": int((gain > 0).sum()), "only_other": int((gain < 0).sum())}
    is_known = "" not in speakers
    return {**counts, "p_value": min(1.0, float(p_value)) if is_known else None}


def paired_folds(one: Sequence[float], other: Sequence[float], test_to_train: float) -> dict:
    """Two systems' scores on the same [folds], with the corrected resampled t-test.

    Folds share training data, so their differences are correlated, and the paired t-test finds
    too many differences. The corrected variance of their mean is s^2 (1 / folds + n_test / n_train)
    (Nadeau and Bengio, 2003; for cross-validation: Bouckaert and Frank, 2004). The correlation
    that it assumes is an approximation.

    Arguments
    ---------
    one, other : sequences of float
        [folds]
    test_to_train : float
        The size of a test split over that of its training split, e.g. their mean over the folds.

    Returns
    -------
    dict
        ``mean`` and ``deviation`` of one - other, as in ``over_folds``; ``p_value``: two-sided;
        1.0 where all differences are zero, None for a single fold or where all are equal and not
        zero.
    """
    from scipy.stats import t as student

    one, other = as_columns(one=one, other=other)
    difference = np.round(one - other, 12)  # scores that differ in their last bits are a tie
    mean, deviation = over_folds(difference)
    if np.ptp(difference) == 0:  # t is 0 / 0 or infinite
        p_value = 1.0 if len(difference) > 1 and not difference.any() else None
    else:
        error = deviation * np.sqrt(1 / len(difference) + test_to_train)
        p_value = float(2 * student.sf(abs(mean) / error, len(difference) - 1))
    return {"mean": mean, "deviation": deviation, "p_value": p_value}


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected for their number (Holm, 1979); None stays None and is not counted.

    Example
    -------
    >>> holm([0.04, None, 0.01, 0.03])
    [0.06, None, 0.03, 0.06]
    """
    adjusted, largest = list(p_values), 0.0
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    for rank, (p, i) in enumerate(known):
        adjusted[i] = largest = max(largest, min(1.0, (len(known) - rank) * p))
    return adjusted


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
    labels, predictions, groups = as_columns(labels=labels, predictions=predictions, groups=groups)
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


def as_columns(**columns: Sequence) -> list[np.ndarray]:
    """Arrays of one length; a ValueError names those that are not."""
    arrays = [np.asarray(values) for values in columns.values()]
    if any(a.ndim != 1 or not len(a) or len(a) != len(arrays[0]) for a in arrays):
        shapes = ", ".join(f"{a.shape} {name}" for a, name in zip(arrays, columns, strict=True))
        raise ValueError(f"{shapes}; allowed: lists of the same length, not empty")
    return arrays
