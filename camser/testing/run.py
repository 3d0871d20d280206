"""Run all checks of a class and collect the results."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from camser.back_ends.base import BackEnd
from camser.encoders.base import Encoder, FrameSpec
from camser.fusion.base import Fusion
from camser.testing.assertions import ConformanceError, ConformanceWarning
from camser.testing.check_list import Check, checks_of

if TYPE_CHECKING:
    import pytest


class CheckResult(NamedTuple):
    """The result of a check.

    Attributes
    ----------
    check : Check
        The check.
    status : str
        "passed", "failed", "xfailed" (failed, as the class declares) or "xpassed" (passed,
        although the class declares a failure).
    message : str
        The numbers, the reason, or a note.
    """

    check: Check
    status: str
    message: str

    @property
    def failed(self) -> bool:
        """Whether the class must be corrected: status "failed" or "xpassed"."""
        return self.status in ("failed", "xpassed")


def run_checks(
    cls: type, specs: Mapping[str, FrameSpec] | None = None, /, **params: Any
) -> Iterator[CheckResult]:
    """Run all checks, one after the other; the arguments are those of ``checks_of``.

    An error of the constructor, such as an unknown parameter, is raised unchanged.
    """
    checks = checks_of(cls, specs, **params)
    checks[0].subject.build()
    for check in checks:
        yield _run(check)


def check_encoder(cls: type[Encoder], **params: Any) -> list[CheckResult]:
    """Run all checks of an encoder.

    Arguments
    ---------
    cls : type
        The class.
    **params
        The parameters of its constructor.

    Returns
    -------
    list of CheckResult
        One per check.

    Raises
    ------
    ConformanceError
        If a check fails, or passes although the class declares a failure; it names all such checks.
    """
    return _raise_failures(run_checks(cls, **params))


def check_fusion(
    cls: type[Fusion], specs: Mapping[str, FrameSpec] | None = None, /, **params: Any
) -> list[CheckResult]:
    """Run all checks of a fusion; see ``check_encoder``, and ``checks_of`` for ``specs``."""
    return _raise_failures(run_checks(cls, specs, **params))


def check_back_end(cls: type[BackEnd], **params: Any) -> list[CheckResult]:
    """Run all checks of a back end; see ``check_encoder``."""
    return _raise_failures(run_checks(cls, **params))


def _run(check: Check) -> CheckResult:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConformanceWarning)
            note = check() or ""
    except ConformanceError as error:
        if check.reason is None:
            return CheckResult(check, "failed", str(error))
        return CheckResult(check, "xfailed", check.reason)
    if check.reason is None:
        return CheckResult(check, "passed", note)
    reason = f"it is declared to fail ({check.reason}), but it passes: remove the declaration"
    return CheckResult(check, "xpassed", reason)


def _raise_failures(results: Iterator[CheckResult]) -> list[CheckResult]:
    done = list(results)
    failures = [f"{r.check.name}: {r.message}" for r in done if r.failed]
    if failures:
        raise ConformanceError(
            f"{len(failures)} of {len(done)} checks failed\n" + "\n".join(failures)
        )
    return done


def parametrize_with_checks(
    cls: type, specs: Mapping[str, FrameSpec] | None = None, /, **params: Any
) -> pytest.MarkDecorator:
    """Turn a function that calls its argument ``check`` into one test per check.

    An expected failure that the class declares is a strict xfail. The arguments are those of
    ``checks_of``.

    Example
    -------
    >>> from camser.encoders.mfcc import MFCCBiLSTM
    >>> @parametrize_with_checks(MFCCBiLSTM, hidden_size=8)
    ... def test_conforms(check):
    ...     check()
    """
    import pytest

    cases = []
    for check in checks_of(cls, specs, **params):
        reason = check.reason or ""
        xfail = pytest.mark.xfail(reason=reason, raises=ConformanceError, strict=True)
        cases.append(pytest.param(check, id=check.name, marks=[xfail] if reason else []))
    return pytest.mark.parametrize("check", cases)
