"""What the doctor's tests start from."""

import copy

import pytest

from tests.helpers.environments import HEALTHY


@pytest.fixture
def facts():
    """A healthy environment's, to be changed as a test likes."""
    return copy.deepcopy(HEALTHY)
