"""Pooling: each equals its definition, stays finite, and is the encoder's own unless asked."""

import math

import numpy as np
import pytest
import torch

from camser.encoders.base import FrameSpec
from camser.fusion.attentive import AttentivePooling
from camser.fusion.concat import Concat
from camser.fusion.pooling import POOLINGS, PooledProjection, RunningStandardization
from tests.fusion.test_fusion import SPECS


def test_each_pooling_equals_its_definition():
    x = torch.randn(2, 5, 3)
    loops = {
        "flatten": lambda s: [v for frame in s for v in frame],
        "mean": lambda s: s.mean(axis=0),
        "last": lambda s: s[-1],
        "statistics": lambda s: np.concatenate([s.mean(axis=0), s.std(axis=0)]),
    }
    assert set(loops) == set(POOLINGS)
    for name, loop in loops.items():
        expected = torch.tensor(np.array([loop(s) for s in x.numpy()]))
        assert torch.allclose(POOLINGS[name](x), expected, atol=1e-6), name
        assert PooledProjection(FrameSpec(5, 3, name), 4, 0.0)(x).shape == (2, 4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("level", [0.0, 1.0, 1000.0])
def test_statistics_of_constant_frames_have_a_finite_gradient(dtype, level):
    x = torch.full((1, 5, 3), level, dtype=dtype, requires_grad=True)
    pooled = POOLINGS["statistics"](x)
    pooled.sum().backward()
    assert pooled.dtype == dtype and pooled.isfinite().all()
    assert x.grad.isfinite().all()


def test_statistics_in_half_precision_have_squares_beyond_its_range():
    x = torch.tensor([[[-1000.0], [1000.0]]])
    assert POOLINGS["statistics"](x.half()).tolist() == [[0.0, 1000.0]]


def test_pooling_is_the_encoders_own_unless_the_fusion_says_otherwise():
    own, other = Concat(SPECS), Concat(SPECS, pooling={"mfcc": "mean"})
    assert own.pooled["mfcc"].project[1].in_features == 24
    assert other.pooled["mfcc"].project[1].in_features == 4


def test_standardization_estimates_from_the_real_items_alone():
    everything, real = RunningStandardization(3), RunningStandardization(3)
    for batch in torch.randn(4, 8, 3):
        is_real = torch.arange(8) < 5
        everything(batch[:5])
        real(batch.masked_fill(~is_real.unsqueeze(1), 1e6), is_real)
    for name, value in everything.state_dict().items():
        torch.testing.assert_close(real.state_dict()[name], value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_a_batch_that_is_not_finite_leaves_standardization_as_it_was(bad):
    layer, batches = RunningStandardization(3), torch.randn(4, 8, 3)
    for batch in batches[:2]:
        layer(batch)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    spoilt = batches[2].clone()
    spoilt[1, 1] = bad
    layer(spoilt)
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    twin = RunningStandardization(3)
    for batch in (*batches[:2], batches[3]):
        twin(batch)
    layer(batches[3])
    assert torch.equal(layer.mean, twin.mean) and torch.equal(layer.variance, twin.variance)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("level", [0.0, 1000.0])
def test_attentive_statistics_in_half_precision_are_those_of_float32(level, autocast):
    pooling = AttentivePooling(FrameSpec(2, 1, "mean"), 4, 0.0, statistics=True)
    pooling.project = torch.nn.Identity()
    frames = torch.tensor([[[-level], [level]]], dtype=torch.float16, requires_grad=True)
    with torch.autocast("cpu", torch.float16, enabled=autocast):
        pooled = (pooling if autocast else pooling.half())(frames)
    pooled.float().sum().backward()
    expected = pooling.float()(frames.detach().float())
    torch.testing.assert_close(pooled.float(), expected, atol=1e-3, rtol=1e-3)
    assert frames.grad.isfinite().all()
