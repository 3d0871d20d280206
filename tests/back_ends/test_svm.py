"""The support vector machine against scikit-learn's own pipeline."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from camser.back_ends.svm import SVM
from camser.testing.checks_back_end import example
from tests.back_ends.test_logistic import SPEAKERS, labels_of


@pytest.mark.parametrize("num_classes", [2, 4])
def test_it_is_scikit_learns_machine_on_standardized_vectors(num_classes):
    vectors = 50 + 3 * example(num_classes)
    labels = labels_of(vectors, num_classes)
    model = make_pipeline(
        StandardScaler(),
        LinearSVC(C=0.1, class_weight="balanced", dual="auto", max_iter=5000, random_state=0),
    ).fit(vectors, labels)
    found = SVM(0.1).fit(vectors, labels, SPEAKERS)
    distances = (vectors - found.center) @ found.weight.T + found.bias
    expected = model.decision_function(vectors)
    np.testing.assert_allclose(distances[:, 1:].squeeze() if num_classes == 2 else distances,
                               expected, atol=1e-6)  # fmt: skip
    decided = found.log_probabilities(vectors).argmax(axis=1)
    assert np.array_equal(decided, model.predict(vectors)) and found.chosen == {"C": 0.1}


def test_inner_folds_choose_its_regularization():
    vectors = example()
    chosen = SVM("inner_folds").fit(vectors, labels_of(vectors, 4), SPEAKERS).chosen
    assert chosen["C"] in SVM.CANDIDATES and len(chosen["inner_UA"]) == len(SVM.CANDIDATES)
    with pytest.raises(ValueError, match="class_weights is 'even'; allowed: balanced, null"):
        SVM(class_weights="even")
