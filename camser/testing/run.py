"""Running all checks of a class, and what came of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from camser.encoders.base import Encoder, FrameSpec
from camser.fusion.base import Fusion
from camser.testing.assertions import ConformanceError, ConformanceWarning
from camser.testing.check_list import Check, checks_of


class CheckResult(NamedTuple):
    """How a check went.

    Attributes
    ----------
    check : Check
        Which.
    status : str
        "kept", "broken", "expected" (broken, as the class declares) or "unexpected" (kept,
        although the class declares that it cannot).
    told : str
        The numbers, the reason, or what is worth knowing.
    """

    check: Check
    status: str
    told: str

    @property
    def failed(self) -> bool:
        """Whether something must be done."""
        return self.status in ("broken", "unexpected")


def run_checks(
    cls: type, specs: Mapping[str, FrameSpec] | None = None, /, **params: Any
) -> Iterator[CheckResult]:
    """Run all checks, one after the other; arguments as for ``checks_of``.

    An error of the constructor's own, by parameters that it does not take, passes unchanged.
    """
    checks = checks_of(cls, specs, **params)
    checks[0].subject.build()
    for check in checks:
        yield _outcome(check)


def check_encoder(cls: type[Encoder], **params: Any) -> list[CheckResult]:
    """Run all checks of an encoder.

    Arguments
    ---------
    cls : type
        The class.
    **params
        What it is built with.

    Returns
    -------
    list of Outcome
        One a check.

    Raises
    ------
    ConformanceError
        If a promise is broken, or kept although the class declares that it cannot; it names all.
    """
    return _all_well(run_checks(cls, **params))


def check_fusion(
    cls: type[Fusion], specs: Mapping[str, FrameSpec] | None = None, /, **params: Any
) -> list[CheckResult]:
    """Run all checks of a fusion; see ``check_encoder``, and ``checks_of`` for ``specs``."""
    return _all_well(run_checks(cls, specs, **params))


def _outcome(check: Check) -> CheckResult:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConformanceWarning)
            note = check()
    except ConformanceError as error:
        if check.reason is None:
            return CheckResult(check, "broken", str(error))
        return CheckResult(check, "expected", check.reason)
    if check.reason is None:
        return CheckResult(check, "kept", note or "")
    told = f"it is declared to fail ({check.reason}), and does not: take it out"
    return CheckResult(check, "unexpected", told)


def _all_well(outcomes: Iterator[CheckResult]) -> list[CheckResult]:
    found = list(outcomes)
    told = [f"{o.check.name}: {o.told}" for o in found if o.failed]
    if told:
        raise ConformanceError(
            f"{len(told)} of {len(found)} promises are not kept\n" + "\n".join(told)
        )
    return found


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
