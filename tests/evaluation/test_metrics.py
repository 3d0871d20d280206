"""Scores equal their definitions, also where a class is absent."""

import random

import numpy as np
import pytest

from camser.evaluation.metrics import scores

CLASSES = ["angry", "sad", "happy", "neutral", "afraid"]


def random_case(seed):
    """Labels and predictions over some of the classes each, so that classes are absent."""
    rng = random.Random(seed)
    size, known = rng.choice([1, 2, 5, 40]), rng.randint(2, 5)
    true = rng.sample(range(known), rng.randint(1, known))
    guessed = rng.sample(range(known), rng.randint(1, known))
    labels, guesses = rng.choices(true, k=size), rng.choices(guessed, k=size)
    pairs = [(y, y if rng.random() < 0.4 else g) for y, g in zip(labels, guesses, strict=True)]
    return [y for y, _ in pairs], [p for _, p in pairs], CLASSES[:known]


def ratio(part, whole):
    return part / whole if whole else 0.0


@pytest.mark.parametrize("first", [0, 50])
def test_scores_are_their_definitions(first):
    for seed in range(first, first + 50):
        labels, predictions, classes = random_case(seed)
        found = scores(labels, predictions, classes)
        counts = np.zeros((len(classes), len(classes)), dtype=int)
        for label, prediction in zip(labels, predictions, strict=True):
            counts[label, prediction] += 1
        present = [k for k in range(len(classes)) if k in labels]
        recall = {k: ratio(counts[k, k], counts[k].sum()) for k in present}
        precision = {k: ratio(counts[k, k], counts[:, k].sum()) for k in present}
        f1 = [ratio(2 * recall[k] * precision[k], recall[k] + precision[k]) for k in present]
        assert found["confusion"] == counts.tolist()
        assert found["num_utterances"] == len(labels) == counts.sum()
        assert found["WA"] == pytest.approx(np.trace(counts) / len(labels))
        assert found["UA"] == pytest.approx(np.mean(list(recall.values())))
        assert found["macro_F1"] == pytest.approx(np.mean(f1))
        for name, values in (("recall", recall), ("precision", precision)):
            expected = {c: values.get(k) for k, c in enumerate(classes)}
            assert found[name] == pytest.approx(expected)
        assert found["absent"] == [c for k, c in enumerate(classes) if k not in present]


def test_an_absent_class_has_no_recall_and_no_part_in_the_means():
    found = scores([0, 0, 1, 1], [0, 0, 1, 2], ["a", "b", "c"])
    assert found["absent"] == ["c"]
    assert found["recall"] == {"a": 1.0, "b": 0.5, "c": None}
    assert found["precision"] == {"a": 1.0, "b": 1.0, "c": None}
    assert found["UA"] == 0.75
    assert found["macro_F1"] == pytest.approx((1 + 2 / 3) / 2)


def test_a_class_that_is_never_predicted_counts_as_wrong():
    found = scores([0, 1], [0, 0], ["a", "b"])
    assert found["recall"] == {"a": 1.0, "b": 0.0} and found["precision"]["b"] == 0.0


def test_unweighted_accuracy_does_not_depend_on_how_often_a_class_occurs():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
    often = np.repeat(np.arange(50), np.where(labels == 1, 7, 1))
    once, more = (scores(labels[i], predictions[i], CLASSES[:3]) for i in (np.arange(50), often))
    assert once["UA"] == pytest.approx(more["UA"])
    assert once["WA"] != pytest.approx(more["WA"])


def test_scores_are_plain_values_that_json_can_hold():
    found = scores(np.array([0, 1]), np.array([0, 1]), ["a", "b"])
    numbers = [found["WA"], found["UA"], found["macro_F1"], *found["recall"].values()]
    assert all(type(n) is float for n in numbers)
    assert all(type(n) is int for row in found["confusion"] for n in row)


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([], [], "no utterance to score; give at least one$"),
        ([0, 1], [0], r"\(2,\) labels but \(1,\) predictions; give one per utt"),
        ([[0]], [[0]], r"\(1, 1\) labels"),
        ([0, 2], [0, 1], "a label is 0 … 2; allowed: 0 … 1"),
        ([0, 1], [-1, 1], "a prediction is -1 … 1; allowed: 0 … 1"),
    ],
)
def test_what_cannot_be_scored_is_refused(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        scores(labels, predictions, ["a", "b"])
