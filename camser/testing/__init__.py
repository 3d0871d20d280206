"""The conformance kit: checks whether an encoder, a fusion or a back end follows its contract.

    from camser.testing import check_encoder

    check_encoder(MyEncoder, hidden_size=8)

or, with pytest, one test per check:

    from camser.testing import parametrize_with_checks

    @parametrize_with_checks(MyEncoder, hidden_size=8)
    def test_conforms(check):
        check()

A class may declare the checks that it cannot pass, with the reason, in ``expected_failures``.
"""

from camser.testing.assertions import ConformanceError, ConformanceWarning
from camser.testing.check_list import (
    BACK_END_CHECKS,
    ENCODER_CHECKS,
    FUSION_CHECKS,
    Check,
    checks_of,
)
from camser.testing.run import (
    CheckResult,
    check_back_end,
    check_encoder,
    check_fusion,
    parametrize_with_checks,
    run_checks,
)

__all__ = [
    "BACK_END_CHECKS",
    "ENCODER_CHECKS",
    "FUSION_CHECKS",
    "Check",
    "CheckResult",
    "ConformanceError",
    "ConformanceWarning",
    "check_back_end",
    "check_encoder",
    "check_fusion",
    "checks_of",
    "parametrize_with_checks",
    "run_checks",
]
