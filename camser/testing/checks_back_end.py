"""Checks of back ends: a classifier of the declared sizes, which learns and repeats."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import numpy as np

from camser.back_ends.base import BackEnd, LinearClassifier
from camser.testing.assertions import expect

NUM_CLASSES, FEATURES, SPEAKERS, PER_SPEAKER = 4, 12, 6, 20
LEARNED = 0.9  # share of correct decisions on classes that hardly overlap


class BackEndUnderTest:
    """A back end under test.

    Arguments
    ---------
    cls : type
        A subclass of ``BackEnd``.
    **params
        The parameters of its constructor.
    """

    def __init__(self, cls: type[BackEnd], **params: Any) -> None:
        self.cls, self.params = cls, params

    def __str__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"{self.cls.__name__}({params})"

    def build(self) -> BackEnd:
        """A new instance."""
        return self.cls(**self.params)

    def fit(self, vectors: np.ndarray, num_classes: int = NUM_CLASSES) -> LinearClassifier:
        """Fit a new instance to ``vectors`` [utterances, features] of classes in turn."""
        labels = np.arange(len(vectors)) % num_classes
        speakers = [f"speaker {n // PER_SPEAKER}" for n in range(len(vectors))]
        return self.build().fit(vectors.copy(), labels, speakers)


def example(num_classes: int = NUM_CLASSES, seed: int = 0) -> np.ndarray:
    """Vectors [utterances, features] of classes in turn, which hardly overlap."""
    generator = np.random.default_rng(seed)
    means = 3 * generator.normal(size=(num_classes, FEATURES))
    labels = np.arange(SPEAKERS * PER_SPEAKER) % num_classes
    return means[labels] + generator.normal(size=(len(labels), FEATURES))


def sizes(subject: BackEndUnderTest) -> None:
    """The classifier has the declared sizes; its choices are plain values."""
    for num_classes in (NUM_CLASSES, 2):
        classifier = subject.fit(example(num_classes), num_classes)
        units = subject.build().hidden_size
        expect(
            (units is None) == (classifier.hidden is None),
            f"hidden_size is {units}, but the hidden layer is {classifier.hidden}",
        )
        wanted = {
            "weight": [num_classes, units or FEATURES], "bias": [num_classes], "center": [FEATURES],
            **({"hidden.weight": [units, FEATURES], "hidden.bias": [units]} if units else {}),
        }  # fmt: skip
        for name, shape in wanted.items():
            got = list(np.shape(attrgetter(name)(classifier)))
            expect(got == shape, f"of {num_classes} classes, {name} is {got}, not {shape}")
    pickle.dumps(classifier)  # one of several processes fits, and sends it to the others
    expect(_is_plain(classifier.chosen), f"chosen is {classifier.chosen!r}, not plain values")


def finite(subject: BackEndUnderTest) -> None:
    """Constant features, and features far from zero, give a finite classifier."""
    vectors = example()
    vectors[:, 0] = 0.5
    vectors[:, 1] += 1e6
    vectors[:, 2] *= 1e-6
    for name, values in _arrays(subject.fit(vectors)).items():
        expect(bool(np.isfinite(values).all()), f"{name} has values that are not finite")


def deterministic(subject: BackEndUnderTest) -> None:
    """Two fits to the same vectors give the same classifier."""
    one, other = (_arrays(subject.fit(example())) for _ in range(2))
    for name in one:
        same = np.array_equal(one[name], other[name])
        expect(same, f"fitted twice to the same vectors, {name} differs")


def learns(subject: BackEndUnderTest) -> None:
    """It recognizes classes that hardly overlap, whatever the size of the features."""
    for scale in (1e-3, 1.0, 1e3):
        vectors = scale * example()
        decisions = subject.fit(vectors).log_probabilities(vectors).argmax(axis=1)
        share = float((decisions == np.arange(len(vectors)) % NUM_CLASSES).mean())
        expect(
            share >= LEARNED,
            f"of vectors times {scale:g} it recognizes {share:.0%}, at least {LEARNED:.0%} needed",
        )


def _arrays(classifier: LinearClassifier) -> dict[str, np.ndarray]:
    names = ["weight", "bias", "center"]
    names += ["hidden.weight", "hidden.bias"] if classifier.hidden else []
    return {name: attrgetter(name)(classifier) for name in names}


def _is_plain(values: Mapping[str, Any]) -> bool:
    try:
        return json.loads(json.dumps(dict(values), allow_nan=False)) == dict(values)
    except (TypeError, ValueError):
        return False
