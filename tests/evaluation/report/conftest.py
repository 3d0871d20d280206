"""What the report's tests share: figures and ended runs, made once."""

import pytest

from tests.helpers.run_files import add_arrays, make


@pytest.fixture(scope="package")
def made():
    """Each figure, made once."""
    from tests.helpers.sample_figures import MAKERS

    return {name: draw() for name, draw in MAKERS.items()}


@pytest.fixture(scope="package")
def runs(tmp_path_factory):
    """Two variants on four folds, the first with two seeds, and one selected on the test fold."""
    tmp_path = tmp_path_factory.mktemp("runs")
    for fold in range(4):
        for seed in (1, 2):
            add_arrays(make(tmp_path, "all_coatt", fold, seed))
        add_arrays(make(tmp_path, "all_concat", fold, skill=0.5, fusion="concat"))
        make(tmp_path, "all_coatt", fold, skill=0.95, selection="test_fold")
    return tmp_path
