"""The extreme learning machine against ridge regression on its units."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from camser.back_ends.elm import ELM
from camser.testing.checks_back_end import example
from tests.back_ends.test_logistic import SPEAKERS, labels_of


@pytest.mark.parametrize("num_classes", [2, 4])
def test_it_is_ridge_regression_on_sigmoids_of_standardized_vectors(num_classes):
    vectors = 50 + 3 * example(num_classes)
    labels = labels_of(vectors, num_classes)
    found = ELM(hidden_size=30, C=0.5).fit(vectors, labels, SPEAKERS)
    assert found.hidden.weight.shape == (30, 12) and found.weight.shape == (num_classes, 30)
    standard = StandardScaler().fit(vectors)
    # As the weights apply to x - center, their scale includes that of the features.
    drawn = found.hidden.weight * standard.scale_
    units = 1 / (1 + np.exp(-(standard.transform(vectors) @ drawn.T + found.hidden.bias)))
    targets = np.eye(num_classes)[labels]
    oracle = Ridge(alpha=2.0, fit_intercept=False).fit(units, targets)  # 1 / C
    np.testing.assert_allclose(found.weight, oracle.coef_, atol=1e-8)
    scores = oracle.predict(units)
    expected = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found.log_probabilities(vectors), expected, atol=1e-8)


def test_it_separates_what_no_line_separates():
    corners = np.array([[0, 0], [1, 1], [0, 1], [1, 0]])[np.arange(120) % 4]
    vectors = corners + np.random.default_rng(0).normal(scale=0.1, size=corners.shape)
    labels = corners.sum(axis=1) % 2
    found = ELM(hidden_size=60, C=1000.0).fit(vectors, labels, SPEAKERS)
    assert (found.log_probabilities(vectors).argmax(axis=1) == labels).mean() > 0.98


def test_the_seed_draws_the_layer_and_inner_folds_choose_its_regularization():
    vectors = example()
    one, other = (
        ELM(8, 1.0, seed).fit(vectors, labels_of(vectors, 4), SPEAKERS) for seed in (0, 1)
    )
    assert not np.allclose(one.hidden.weight, other.hidden.weight)
    chosen = ELM(8).fit(vectors, labels_of(vectors, 4), SPEAKERS).chosen
    accuracies = dict(map(tuple, chosen["inner_UA"]))
    assert tuple(accuracies) == ELM.CANDIDATES
    assert chosen["C"] == max(accuracies, key=accuracies.get)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"hidden_size": 0}, "hidden_size is 0; it must be a whole number from 1 on"),
        ({"C": -1}, "C is -1; allowed: a finite number above 0, or inner_folds"),
        ({"seed": 0.5}, "seed is 0.5; it must be a whole number from 0 on"),
    ],
)
def test_what_is_not_allowed_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        ELM(**params)
