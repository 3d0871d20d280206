"""Logistic regression against scikit-learn's own pipeline, and what its inner folds choose."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from camser.back_ends.base import BackEndError
from camser.back_ends.logistic import Logistic
from camser.back_ends.regularized import inner_folds
from camser.experiment.run import STOPPED
from camser.testing.checks_back_end import example

SPEAKERS = [f"s{n // 10}" for n in range(120)]


def labels_of(vectors, num_classes):
    return np.arange(len(vectors)) % num_classes


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("class_weights", ["balanced", None])
def test_it_is_scikit_learns_regression_on_standardized_vectors(num_classes, class_weights):
    vectors = 50 + 3 * example(num_classes)
    labels = labels_of(vectors, num_classes)
    keep = (labels > 0) | (np.arange(len(labels)) % 3 == 0)  # unequal classes
    vectors, labels = vectors[keep], labels[keep]
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight=class_weights, max_iter=5000)
    ).fit(vectors, labels)
    found = Logistic(0.1, class_weights).fit(vectors, labels, SPEAKERS[: len(labels)])
    expected = model.predict_log_proba(vectors)
    np.testing.assert_allclose(found.log_probabilities(vectors), expected, atol=1e-8)
    assert found.chosen == {"C": 0.1}


def test_a_feature_that_is_constant_up_to_rounding_is_not_used():
    vectors = np.concatenate([example(), 1e-4 + 1e-10 * example(seed=1)[:, :1]], axis=1)
    classifier = Logistic(1.0).fit(vectors, labels_of(vectors, 4), SPEAKERS)
    assert not classifier.weight[:, -1].any() and classifier.weight[:, :-1].any(axis=0).all()


def test_inner_folds_divide_no_speaker_and_hold_out_each_once():
    labels = labels_of(SPEAKERS, 4)
    held_out = []
    for train, valid in inner_folds(labels, SPEAKERS):
        assert not {SPEAKERS[i] for i in train} & {SPEAKERS[i] for i in valid}
        held_out += valid.tolist()
    assert sorted(held_out) == list(range(120))


def test_there_are_no_more_inner_folds_than_utterances_of_a_class():
    labels = np.array([0, 1, 2] * 4)
    assert len([*inner_folds(labels, [*"abcdefghijkl"])]) == 4


def test_noise_is_regularized_more_than_what_speakers_share():
    generator, labels = np.random.default_rng(1), labels_of(SPEAKERS, 4)
    clear = Logistic("inner_folds").fit(example(), labels, SPEAKERS).chosen
    noise = Logistic("inner_folds").fit(generator.normal(size=(120, 12)), labels, SPEAKERS).chosen
    assert noise["C"] < clear["C"] and clear["C"] in Logistic.CANDIDATES
    by_c = dict(map(tuple, clear["inner_log_likelihoods"]))
    assert list(by_c) == list(Logistic.CANDIDATES) and max(by_c, key=by_c.get) == clear["C"]


def test_what_cannot_be_divided_or_is_not_allowed_is_refused():
    vectors = example()
    assert issubclass(BackEndError, STOPPED), "a run ends with its message"
    with pytest.raises(BackEndError, match="inner folds need two speakers, but all are of one"):
        Logistic("inner_folds").fit(vectors, labels_of(vectors, 4), ["a"] * 120)
    alone = np.array(["a"] * 60 + ["b"] * 60)
    with pytest.raises(BackEndError, match="an inner fold would train without the class of index"):
        Logistic("inner_folds").fit(vectors, (alone == "b").astype(int), alone)
    for params, message in (
        ({"C": 0}, "C is 0; allowed: a finite number above 0, or inner_folds"),
        ({"C": "auto"}, "C is 'auto'; allowed"),
        ({"C": float("inf")}, "C is inf; allowed"),
        ({"class_weights": "even"}, "class_weights is 'even'; allowed: balanced, null"),
        ({"max_iter": 0}, "max_iter is 0; it must be a whole number"),
    ):
        with pytest.raises(ValueError, match=message):
            Logistic(**params)
