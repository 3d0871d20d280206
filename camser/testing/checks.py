"""All checks by name, run one by one, and as tests of pytest."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from camser.encoders.base import Encoder, FrameSpec
from camser.fusion.base import Fusion
from camser.registry import nearest
from camser.testing import contract, ddp, rebuilding, runtime, whole
from camser.testing.subject import Subject, subject
from camser.testing.verdict import ConformanceError, ConformanceWarning

if TYPE_CHECKING:
    import pytest

Function = Callable[[Subject], str | None]

_SHARED: dict[str, Function] = {
    "finite": contract.finite,
    "batch": contract.batch,
    "deterministic": contract.deterministic,
    "gradients": contract.gradients,
    "state": contract.state,
    "precision": runtime.precision,
    "device": runtime.device,
    "compile": runtime.compile,
    "utterance": whole.utterance,
    "export": whole.export,
    "ddp": ddp.ddp,
}
ENCODER_CHECKS: dict[str, Function] = {
    "sizes": contract.encoder_sizes,
    "rebuild": rebuilding.rebuild,
    "kept": rebuilding.kept,
    **_SHARED,
}
FUSION_CHECKS: dict[str, Function] = {"sizes": contract.fusion_sizes, **_SHARED}


class Check(NamedTuple):
    """One promise of one class; call it to see whether it is kept.

    Attributes
    ----------
    name : str
        Of the check.
    promise : str
        What is promised.
    subject : Subject
        The class with its parameters.
    function : callable
        The check itself.
    reason : str or None
        Why it is expected to fail, where the class says so.
    """

    name: str
    promise: str
    subject: Subject
    function: Function
    reason: str | None

    def __call__(self) -> str | None:
        """Check; what is worth knowing is a ConformanceWarning, and returned.

        Raises
        ------
        ConformanceError
            If the promise is broken.
        """
        try:
            note = self.function(self.subject)
        except ConformanceError as error:
            raise ConformanceError(self._broken(str(error))) from error
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise ConformanceError(self._broken(told)) from error
        if note:
            warnings.warn(f"{self.subject}: {note}", ConformanceWarning, stacklevel=2)
        return note

    def _broken(self, how: str) -> str:
        return f"{self.subject} breaks the promise {self.name!r}: {self.promise}\n    {how}"


class Outcome(NamedTuple):
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


def checks_of(
    cls: type, specs: Mapping[str, FrameSpec] | None = None, /, **params: Any
) -> list[Check]:
    """The checks of a class; nothing is built yet.

    Arguments
    ---------
    cls : type
        An encoder or a fusion.
    specs : mapping of str to FrameSpec, optional
        For a fusion: the frames that it gets; by default three modalities, ``mfcc`` and
        ``spectrogram`` (pooling "flatten") and ``wav2vec2`` (pooling "mean").
    **params
        What the class is built with; small sizes make the checks quick.

    Raises
    ------
    TypeError
        If the class is neither.
    ValueError
        If it declares failures of checks that do not exist.
    """
    found = subject(cls, specs, **params)
    functions = ENCODER_CHECKS if issubclass(cls, Encoder) else FUSION_CHECKS
    for name in cls.expected_failures:
        if name not in functions:
            raise ValueError(
                f"{cls.__name__}.expected_failures: no check {name!r}; there are: "
                f"{', '.join(functions)}.{nearest(name, functions)}"
            )
    return [
        Check(name, _promise(function), found, function, cls.expected_failures.get(name))
        for name, function in functions.items()
    ]


def run_checks(
    cls: type, specs: Mapping[str, FrameSpec] | None = None, /, **params: Any
) -> Iterator[Outcome]:
    """Run all checks, one after the other; arguments as for ``checks_of``.

    An error of the constructor's own, by parameters that it does not take, passes unchanged.
    """
    checks = checks_of(cls, specs, **params)
    checks[0].subject.build()
    for check in checks:
        yield _outcome(check)


def check_encoder(cls: type[Encoder], **params: Any) -> list[Outcome]:
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
) -> list[Outcome]:
    """Run all checks of a fusion; see ``check_encoder``, and ``checks_of`` for ``specs``."""
    return _all_well(run_checks(cls, specs, **params))


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


def _promise(function: Function) -> str:
    return (function.__doc__ or "").strip().splitlines()[0]


def _outcome(check: Check) -> Outcome:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConformanceWarning)
            note = check()
    except ConformanceError as error:
        if check.reason is None:
            return Outcome(check, "broken", str(error))
        return Outcome(check, "expected", check.reason)
    if check.reason is None:
        return Outcome(check, "kept", note or "")
    told = f"it is declared to fail ({check.reason}), and does not: take it out"
    return Outcome(check, "unexpected", told)


def _all_well(outcomes: Iterator[Outcome]) -> list[Outcome]:
    found = list(outcomes)
    told = [f"{o.check.name}: {o.told}" for o in found if o.failed]
    if told:
        raise ConformanceError(
            f"{len(told)} of {len(found)} promises are not kept\n" + "\n".join(told)
        )
    return found
