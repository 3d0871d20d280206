"""What the report's tests share: figures, made once."""

import pytest


@pytest.fixture(scope="package")
def made():
    """Each figure, made once."""
    from .drawn import MAKERS

    return {name: make() for name, make in MAKERS.items()}
