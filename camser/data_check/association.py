"""How well classes can be guessed from one property of recordings, on those held out."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier

NUM_FOLDS = 10
MIN_OF_CLASS = 5  # recordings with the property; else nothing is said
DEPTH, MIN_LEAF = 3, 5  # of the tree: a few ranges of the property
SIGNIFICANT = 4  # standard errors above guessing


class Told(NamedTuple):
    """How well one class is guessed.

    Arguments
    ---------
    hits : float
        The share of its recordings that are guessed.
    false_alarms : float
        The share of all others that are taken for it.
    standard_error : float
        Of their difference, if guesses are random.
    """

    hits: float
    false_alarms: float
    standard_error: float

    @property
    def informedness(self) -> float:
        """0: as by chance; 1: always right (Powers, 2011)."""
        return self.hits - self.false_alarms

    @property
    def is_significant(self) -> bool:
        """Whether it is more than random guesses give by luck."""
        return self.informedness > SIGNIFICANT * self.standard_error


class Association(NamedTuple):
    """How well all classes are guessed.

    Arguments
    ---------
    accuracy : float
        Unweighted.
    chance : float
        That of random guesses.
    by_class : mapping of str to Told
        By class.
    """

    accuracy: float
    chance: float
    by_class: Mapping[str, Told]

    @classmethod
    def of(cls, guesses: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Association:
        """Of guesses.

        Arguments
        ---------
        guesses : array
            [recordings, classes], probabilities of a guess, which is one class or a draw of some.
        labels : array
            [recordings], indices of the classes; each occurs, and there are two and more.
        classes : sequence of str
            Their names.
        """
        chance, by_class = 1 / len(classes), {}
        for index, name in enumerate(classes):
            own, others = guesses[labels == index, index], guesses[labels != index, index]
            variance = chance * (1 - chance) * (1 / len(own) + 1 / len(others))
            by_class[name] = Told(float(own.mean()), float(others.mean()), math.sqrt(variance))
        accuracy = sum(told.hits for told in by_class.values()) / len(classes)
        return cls(accuracy, chance, by_class)

    @property
    def best(self) -> tuple[str, Told]:
        """The class that is told best."""
        return max(self.by_class.items(), key=lambda item: item[1].informedness)


def associate(values: Sequence, emotions: Sequence[str]) -> Association | None:
    """Guess the class from a property by cross-validation; None if there is too little to guess.

    A number is divided into ranges by a small decision tree. Of names, the guess is the class that
    has the name most often, relative to the class's size.

    Arguments
    ---------
    values : sequence of float, or of hashable
        The property, None where it is unknown.
    emotions : sequence of str
        The classes.

    Example
    -------
    >>> found = associate(["mp3", "wav", "wav"] * 20, ["angry", "sad", "happy"] * 20)
    >>> found.best, found.by_class["sad"].hits
    (('angry', Told(hits=1.0, false_alarms=0.0, standard_error=0.129...)), 0.5)
    """
    known = [i for i, value in enumerate(values) if value is not None]
    counts = Counter(emotions[i] for i in known)
    known = [i for i in known if counts[emotions[i]] >= MIN_OF_CLASS]
    classes = sorted({emotions[i] for i in known})
    shown = [values[i] for i in known]
    if len(classes) < 2 or len(set(shown)) < 2:
        return None
    labels = np.array([classes.index(emotions[i]) for i in known])
    guess = _by_range if all(isinstance(value, float) for value in shown) else _by_name
    number = min(NUM_FOLDS, min(counts[name] for name in classes))
    guesses = np.zeros((len(labels), len(classes)))
    folds = StratifiedKFold(number, shuffle=True, random_state=0)
    for train, test in folds.split(labels, labels):
        guesses[test] = guess(shown, labels, train, test)
    return Association.of(guesses, labels, classes)


def _by_range(
    values: Sequence[float], labels: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    column = np.array(values)[:, None]
    tree = DecisionTreeClassifier(
        max_depth=DEPTH, min_samples_leaf=MIN_LEAF, class_weight="balanced", random_state=0
    )
    guessed = tree.fit(column[train], labels[train]).predict(column[test])
    return np.eye(labels.max() + 1)[guessed]


def _by_name(
    values: Sequence[Hashable], labels: np.ndarray, train: np.ndarray, test: np.ndarray
) -> list[np.ndarray]:
    """Ties are drawn, and so is a name that was not seen."""
    sizes = np.bincount(labels[train])
    shares: dict[Hashable, np.ndarray] = defaultdict(lambda: np.zeros(len(sizes)))
    for i in train:
        shares[values[i]][labels[i]] += 1 / sizes[labels[i]]
    best = (shares[values[i]] >= shares[values[i]].max() - 1e-12 for i in test)
    return [one / one.sum() for one in best]
