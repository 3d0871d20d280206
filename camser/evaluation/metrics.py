"""Scores over utterances, computed by scikit-learn.

Conventions: weighted accuracy (WA) is the share of correct predictions. Unweighted accuracy (UA)
is the mean recall over the classes that occur in the labels. A class that does not occur in a fold
is left out of its UA and listed in ``absent``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def scores(labels: Sequence[int], predictions: Sequence[int], classes: Sequence[str]) -> dict:
    """WA, UA, macro-F1, recall and precision per class, and the confusion counts.

    Arguments
    ---------
    labels, predictions : sequences of int
        Class indices, one per utterance.
    classes : sequence of str
        The class names in the order of the indices.

    Returns
    -------
    dict
        ``WA``, ``UA``, ``macro_F1`` in [0, 1]; ``recall`` and ``precision`` by class name (None
        where the class does not occur); ``confusion`` (rows: labels, columns: predictions);
        ``absent``: the classes without an utterance; ``num_utterances``.

    Raises
    ------
    ValueError
        If there are no utterances, the lengths differ, or an index is out of range.

    Example
    -------
    >>> result = scores([0, 0, 0, 1], [0, 0, 1, 1], ["angry", "sad"])
    >>> round(result["WA"], 3), round(result["UA"], 3)
    (0.75, 0.833)
    """
    from sklearn.metrics import (
        accuracy_score,
        confusion_matrix,
        f1_score,
        precision_score,
        recall_score,
    )

    labels, predictions = np.asarray(labels, dtype=int), np.asarray(predictions, dtype=int)
    _validate(labels, predictions, len(classes))
    present = np.unique(labels)
    indices = np.arange(len(classes))
    recall = recall_score(labels, predictions, labels=indices, average=None, zero_division=0)
    precision = precision_score(labels, predictions, labels=indices, average=None, zero_division=0)
    macro_f1 = f1_score(labels, predictions, labels=present, average="macro", zero_division=0)

    def by_class(values: np.ndarray) -> dict[str, float | None]:
        return {name: float(values[i]) if i in present else None for i, name in enumerate(classes)}

    return {
        "WA": float(accuracy_score(labels, predictions)),
        "UA": float(recall[present].mean()),
        "macro_F1": float(macro_f1),
        "recall": by_class(recall),
        "precision": by_class(precision),
        "confusion": confusion_matrix(labels, predictions, labels=indices).tolist(),
        "absent": [name for i, name in enumerate(classes) if i not in present],
        "num_utterances": len(labels),
    }


def _validate(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> None:
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise ValueError(
            f"{labels.shape} labels but {predictions.shape} predictions; give one per utterance"
        )
    if not len(labels):
        raise ValueError("no utterance to score; give at least one")
    for name, values in (("label", labels), ("prediction", predictions)):
        if values.min() < 0 or values.max() >= num_classes:
            raise ValueError(
                f"a {name} is {values.min()} … {values.max()}; allowed: 0 … {num_classes - 1}"
            )
