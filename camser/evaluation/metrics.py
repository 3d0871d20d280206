"""Scores over utterances, computed by scikit-learn.

Conventions: weighted accuracy (WA) is the share of correct predictions. Unweighted accuracy (UA)
is the mean recall over the classes that occur in the labels. A class that does not occur in a fold
is left out of its UA and listed in ``absent``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


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
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    labels, predictions = check_indices(labels, predictions, len(classes))
    present = np.unique(labels)
    options: dict[str, Any] = {"labels": np.arange(len(classes)), "zero_division": 0}
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predictions, **options)

    def by_class(values: np.ndarray) -> dict[str, float | None]:
        return {name: float(values[i]) if i in present else None for i, name in enumerate(classes)}

    return {
        "WA": float(np.mean(labels == predictions)),
        "UA": float(recall[present].mean()),
        "macro_F1": float(f1[present].mean()),
        "recall": by_class(recall),
        "precision": by_class(precision),
        "confusion": confusion_matrix(labels, predictions, labels=options["labels"]).tolist(),
        "absent": [name for i, name in enumerate(classes) if i not in present],
        "num_utterances": len(labels),
    }


def check_indices(
    labels: ArrayLike, predictions: ArrayLike, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays; raise a ValueError unless they are class indices, one per utterance."""
    labels, predictions = np.asarray(labels, dtype=int), np.asarray(predictions, dtype=int)
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
    return labels, predictions
