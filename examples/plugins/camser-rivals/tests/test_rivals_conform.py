"""Every encoder and fusion of the package passes camser's checks."""

import pytest
from camser_rivals.encoders.blstm import LogMelBLSTM
from camser_rivals.fusions.acrnn_attention import ACRNNAttention
from camser_rivals.fusions.gmu_attention import GMUAttention
from camser_rivals.fusions.null_pooling import NullPooling
from camser_rivals.fusions.per_frame import PerFrame
from camser_rivals.fusions.self_attentive import SelfAttentive
from camser_rivals.fusions.seqcap import SeqCap
from rival_systems import SYSTEMS

from camser.testing import checks_of

ENCODERS = {
    cls: sizes for encoders, _ in SYSTEMS.values() for cls, sizes in encoders.values()
}  # with HNSD's dynamic part
FUSIONS = [
    (ACRNNAttention, {"projection_size": 4}),
    (GMUAttention, {"size": 8}),
    (NullPooling, {"context": 2}),
    (NullPooling, {"runs": "any"}),
    (PerFrame, {}),
    (SelfAttentive, {"projection_size": 4}),
    (SeqCap, {"capsule_size": 4, "hidden_size": 4}),
]


def cases():
    for cls, params in [*ENCODERS.items(), *FUSIONS]:
        for check in checks_of(cls, **params):
            yield pytest.param(check, id=f"{cls.__name__}-{check.name}")


@pytest.mark.filterwarnings("ignore::camser.testing.ConformanceWarning")
@pytest.mark.parametrize("check", list(cases()))
def test_conforms(check):
    check()


def test_a_layer_more_conforms_where_padding_is_masked():
    checks = {c.name: c for c in checks_of(LogMelBLSTM, hidden_size=4, num_layers=3)}
    checks["padding"]()


def test_a_loss_with_dropout_falls_at_the_papers_size():
    checks = {c.name: c for c in checks_of(SeqCap)}
    checks["loss"]()
