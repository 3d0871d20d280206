"""All checks by name, and the checks of a class."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from camser.back_ends.base import BackEnd
from camser.encoders.base import Encoder, FrameSpec
from camser.fusion.base import Fusion
from camser.registry import did_you_mean
from camser.testing import (
    checks_back_end,
    checks_contract,
    checks_ddp,
    checks_device,
    checks_encoder,
    checks_loss,
    checks_model,
    checks_padding,
)
from camser.testing.assertions import ConformanceError, ConformanceWarning
from camser.testing.checks_back_end import BackEndUnderTest
from camser.testing.plugin_under_test import PluginUnderTest

Function = Callable[[Any], str | None]  # takes the class under test, may return a note

_SHARED: dict[str, Function] = {
    "finite": checks_contract.finite,
    "batch": checks_contract.batch,
    "padding": checks_padding.padding,
    "deterministic": checks_contract.deterministic,
    "gradients": checks_contract.gradients,
    "state": checks_contract.state,
    "precision": checks_device.precision,
    "device": checks_device.device,
    "compile": checks_device.compile,
    "utterance": checks_model.utterance,
    "export": checks_model.export,
    "ddp": checks_ddp.ddp,
}
ENCODER_CHECKS: dict[str, Function] = {
    "sizes": checks_contract.encoder_sizes,
    "rebuild": checks_encoder.rebuild,
    "cache": checks_encoder.cache,
    **_SHARED,
}
FUSION_CHECKS: dict[str, Function] = {
    "sizes": checks_contract.fusion_sizes,
    "loss": checks_loss.loss,
    **_SHARED,
}
BACK_END_CHECKS: dict[str, Function] = {
    "sizes": checks_back_end.sizes,
    "finite": checks_back_end.finite,
    "deterministic": checks_back_end.deterministic,
    "learns": checks_back_end.learns,
}


class Check(NamedTuple):
    """One check of one class; call it to run the check.

    Attributes
    ----------
    name : str
        The name of the check.
    subject : PluginUnderTest or BackEndUnderTest
        The class with its parameters.
    function : callable
        The check itself.
    reason : str or None
        Why it is expected to fail, if the class declares it.
    """

    name: str
    subject: PluginUnderTest | BackEndUnderTest
    function: Function
    reason: str | None

    @property
    def description(self) -> str:
        """What is checked."""
        return (self.function.__doc__ or "").splitlines()[0]

    def __call__(self) -> str | None:
        """Run the check. A note is returned, and shown as a ConformanceWarning.

        Raises
        ------
        ConformanceError
            If the check fails.
        """
        try:
            note = self.function(self.subject)
        except Exception as error:
            kind = "" if isinstance(error, ConformanceError) else f"{type(error).__name__}: "
            raise ConformanceError(
                f"{self.subject} fails the check {self.name!r}: {self.description}\n"
                f"    {kind}{error}"
            ) from error
        if note:
            warnings.warn(f"{self.subject}: {note}", ConformanceWarning, stacklevel=2)
        return note


def checks_of(
    cls: type[Encoder | Fusion | BackEnd],
    specs: Mapping[str, FrameSpec] | None = None,
    /,
    **params: Any,
) -> list[Check]:
    """The checks of a class. The class is not built yet.

    Arguments
    ---------
    cls : type
        An encoder, a fusion or a back end.
    specs : mapping of str to FrameSpec, optional
        For a fusion: the frames of its input; by default its ``example_specs`` or, without any,
        three modalities: ``mfcc`` and ``spectrogram`` (pooling "flatten") and ``wav2vec2`` (pooling
        "mean").
    **params
        The parameters of the constructor; small sizes make the checks quick.

    Raises
    ------
    TypeError
        If the class is none of these.
    ValueError
        If ``expected_failures`` names a check that does not exist.
    """
    subject, functions = _subject(cls, specs, params)
    for name in cls.expected_failures:
        if name not in functions:
            raise ValueError(
                f"{cls.__name__}.expected_failures: no check {name!r}; the checks are: "
                f"{', '.join(functions)}.{did_you_mean(name, functions)}"
            )
    return [
        Check(name, subject, function, cls.expected_failures.get(name))
        for name, function in functions.items()
    ]


def _subject(
    cls: type, specs: Mapping[str, FrameSpec] | None, params: Mapping[str, Any]
) -> tuple[PluginUnderTest | BackEndUnderTest, dict[str, Function]]:
    """The class under test, and the checks of its kind."""
    if isinstance(cls, type) and issubclass(cls, BackEnd):
        if specs is not None:
            raise TypeError(f"{cls!r} gets specs, which only fusions take; name its parameters")
        return BackEndUnderTest(cls, **params), BACK_END_CHECKS
    subject = PluginUnderTest(cls, specs, **params)
    return subject, ENCODER_CHECKS if subject.is_encoder else FUSION_CHECKS
