"""The checks of a class as tests of pytest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from camser.encoders.base import FrameSpec
from camser.testing.checks import Check, checks_of
from camser.testing.verdict import ConformanceError

if TYPE_CHECKING:
    import pytest


def parametrize_with_checks(
    cls: type, specs: Mapping[str, FrameSpec] | None = None, /, **params: Any
) -> pytest.MarkDecorator:
    """Make one test a check of a function that calls its argument ``check``.

    What the class declares as an expected failure is a strict xfail. Arguments as for
    ``checks_of``.

    Example
    -------
    >>> from camser.encoders.mfcc import MFCCBiLSTM
    >>> @parametrize_with_checks(MFCCBiLSTM, hidden_size=8)
    ... def test_conforms(check):
    ...     check()
    """
    import pytest

    def expected(check: Check) -> list:
        if check.reason is None:
            return []
        return [pytest.mark.xfail(reason=check.reason, raises=ConformanceError, strict=True)]

    return pytest.mark.parametrize(
        "check",
        [pytest.param(c, id=c.name, marks=expected(c)) for c in checks_of(cls, specs, **params)],
    )
