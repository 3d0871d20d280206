"""Fusions against literal loops over the paper's equations."""

import numpy as np
import pytest
import torch

from camser.encoders.base import FrameSpec
from camser.fusion.co_attention import CoAttention
from camser.fusion.concat import Concat
from camser.fusion.pooling import POOLINGS, PooledPart

SPECS = {
    "mfcc": FrameSpec(6, 4, "flatten"),
    "spectrogram": FrameSpec(3, 5, "flatten"),
    "wav2vec2": FrameSpec(7, 8, "mean"),
}
GUIDED = {"guides": ["mfcc", "spectrogram"], "target": "wav2vec2"}


@pytest.fixture
def frames():
    return {name: torch.randn(4, s.num_frames, s.channels) for name, s in SPECS.items()}


def linear(layer, vector):
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    return np.array([sum(w * x for w, x in zip(row, vector, strict=True)) for row in weight]) + bias


def relu(vector):
    return np.maximum(vector, 0)


@pytest.mark.parametrize("activation", ["relu", "softmax"])
def test_co_attention_equals_a_loop_over_equations_4_to_6(frames, activation):
    fusion = CoAttention(SPECS, **GUIDED, activation=activation, part_size=9).eval()
    fused, weights = fusion(frames).detach().numpy(), fusion.weights(frames)["wav2vec2"]
    for s in range(4):
        x = {name: value[s].numpy() for name, value in frames.items()}
        x_m = relu(linear(fusion.pooled["mfcc"].project[1], x["mfcc"].ravel()))
        x_s = relu(linear(fusion.pooled["spectrogram"].project[1], x["spectrogram"].ravel()))
        x_att = linear(fusion.attend[1], np.concatenate([x_m, x_s]))  # eq. 4
        x_att = relu(x_att) if activation == "relu" else np.exp(x_att) / np.exp(x_att).sum()
        x_w = np.zeros(8)
        for t in range(7):
            x_w += x_att[t] * x["wav2vec2"][t]  # eq. 5
        x_w = relu(linear(fusion.project[1], x_w))
        assert np.allclose(weights[s].detach(), x_att, atol=1e-5)
        assert np.allclose(fused[s], np.concatenate([x_m, x_s, x_w]), atol=1e-5)  # eq. 6


@pytest.mark.parametrize(
    "keep", [["wav2vec2"], ["mfcc", "wav2vec2"], ["spectrogram", "wav2vec2"], list(SPECS)]
)
def test_keep_chooses_what_the_head_sees_and_every_parameter_still_learns(frames, keep):
    fusion = CoAttention(SPECS, **GUIDED, keep=keep, part_size=9).eval()
    parts = fusion.parts(frames)
    assert list(parts) == list(SPECS)
    assert torch.equal(fusion(frames), torch.cat([parts[name] for name in keep], dim=1))
    assert fusion.out_features == 9 * len(keep)
    fusion(frames).sum().backward()
    assert [n for n, p in fusion.named_parameters() if p.grad is None] == []


def test_softmax_weights_are_a_distribution_over_frames(frames):
    weights = CoAttention(SPECS, **GUIDED, activation="softmax").weights(frames)["wav2vec2"]
    assert torch.allclose(weights.sum(dim=1), torch.ones(4)) and (weights > 0).all()


def test_concat_is_the_parts_in_the_modalities_order(frames):
    fusion = Concat(SPECS, part_size=9).eval()
    expected = []
    for name, pooled in (
        ("mfcc", frames["mfcc"].flatten(1)),
        ("spectrogram", frames["spectrogram"].flatten(1)),
        ("wav2vec2", frames["wav2vec2"].mean(1)),
    ):
        expected.append(fusion.pooled[name].project[1](pooled).relu())
    assert torch.allclose(fusion(frames), torch.cat(expected, dim=1), atol=1e-6)
    assert fusion.weights(frames) == {}


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
        assert PooledPart(FrameSpec(5, 3, name), 4, 0.0)(x).shape == (2, 4)


def test_statistics_of_constant_frames_have_a_finite_gradient():
    x = torch.ones(1, 5, 3, requires_grad=True)
    POOLINGS["statistics"](x).sum().backward()
    assert x.grad.isfinite().all()


def test_pooling_is_the_encoders_own_unless_the_fusion_says_otherwise(frames):
    own, other = Concat(SPECS), Concat(SPECS, pooling={"mfcc": "mean"})
    assert own.pooled["mfcc"].project[1].in_features == 24
    assert other.pooled["mfcc"].project[1].in_features == 4


@pytest.mark.parametrize(
    "params, message",
    [
        ({"guides": ["prosody"]}, r"guide 'prosody' is not among the modalities \[mfcc, spect"),
        ({"target": "whisper"}, r"target 'whisper' is not among the modalities \[mfcc, spect"),
        ({"keep": ["mfcc"]}, "without the target 'wav2vec2' nothing would be attended"),
        ({"keep": ["prosody", "wav2vec2"]}, "keep's 'prosody' is not among"),
        ({"guides": []}, "must name at least one modality other than the target"),
        ({"guides": ["wav2vec2"]}, "must name at least one modality other than the target"),
        ({"guides": ["mfcc"], "keep": ["wav2vec2"]}, "spectrogram neither guides nor is kept"),
        ({"activation": "tanh"}, "activation is 'tanh'; allowed: relu, softmax"),
        (
            {"pooling": {"mfcc": "medium"}},
            "no pooling 'medium'; allowed: flatten, mean, last, stat",
        ),
        ({"pooling": {"prosody": "mean"}}, "pooling's 'prosody' is not among"),
    ],
)
def test_what_does_not_fit_is_an_error_when_built(params, message):
    with pytest.raises(ValueError, match=message):
        CoAttention(SPECS, **{**GUIDED, **params})
