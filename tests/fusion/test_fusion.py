"""Fusions against literal loops over the paper's equations, and what all of them promise."""

import numpy as np
import pytest
import torch

from camser.encoders.base import FrameSpec
from camser.fusion.attentive import Attentive
from camser.fusion.co_attention import CoAttention
from camser.fusion.concat import Concat
from camser.fusion.gated import Gated
from camser.fusion.low_rank import LowRank

SPECS = {
    "mfcc": FrameSpec(6, 4, "flatten"),
    "spectrogram": FrameSpec(3, 5, "flatten"),
    "wav2vec2": FrameSpec(7, 8, "mean"),
}
GUIDED = {"guides": ["mfcc", "spectrogram"], "target": "wav2vec2"}
FUSIONS = {
    "concat": (Concat, {}),
    "co_attention": (CoAttention, GUIDED),
    "gated": (Gated, {}),
    "low_rank": (LowRank, {"rank": 3}),
    "attentive": (Attentive, {}),
    "attentive statistics": (Attentive, {"statistics": True}),
    "attentive, some pooled": (Attentive, {"pooling": {"mfcc": "flatten"}}),
}


@pytest.fixture
def frames():
    return {name: torch.randn(4, s.num_frames, s.channels) for name, s in SPECS.items()}


def linear(layer, vector):
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    return np.array([sum(w * x for w, x in zip(row, vector, strict=True)) for row in weight]) + bias


def relu(vector):
    return np.maximum(vector, 0)


def sigmoid(vector):
    return 1 / (1 + np.exp(-vector))


def pooled(x):
    """The vectors that SPECS' poolings make of one segment's frames."""
    return {
        "mfcc": x["mfcc"].ravel(),
        "spectrogram": x["spectrogram"].ravel(),
        "wav2vec2": x["wav2vec2"].mean(axis=0),
    }


def scattered(fusion):
    """The fusion with every parameter at random, whatever it begins with."""
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.normal_(std=0.5)
    return fusion.eval()


@pytest.mark.parametrize("activation", ["relu", "softmax"])
def test_co_attention_equals_a_loop_over_equations_4_to_6(frames, activation):
    fusion = CoAttention(SPECS, **GUIDED, activation=activation, projection_size=9).eval()
    fused, weights = fusion(frames).detach().numpy(), fusion.attention_weights(frames)["wav2vec2"]
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
    fusion = CoAttention(SPECS, **GUIDED, output_modalities=keep, projection_size=9).eval()
    parts = fusion.projections(frames)
    assert list(parts) == list(SPECS)
    assert torch.equal(fusion(frames), torch.cat([parts[name] for name in keep], dim=1))
    assert fusion.out_features == 9 * len(keep)
    fusion(frames).sum().backward()
    assert [n for n, p in fusion.named_parameters() if p.grad is None] == []


def test_softmax_weights_are_a_distribution_over_frames(frames):
    weights = CoAttention(SPECS, **GUIDED, activation="softmax").attention_weights(frames)[
        "wav2vec2"
    ]
    assert torch.allclose(weights.sum(dim=1), torch.ones(4)) and (weights > 0).all()


def test_softmax_attention_can_begin_as_the_plain_mean_and_learns_from_there(frames):
    fusion = CoAttention(SPECS, **GUIDED, activation="softmax", even_start=True, projection_size=9)
    weights = fusion.eval().attention_weights(frames)["wav2vec2"]
    assert torch.equal(weights, torch.full((4, 7), 1 / 7))
    fusion(frames).square().sum().backward()
    assert fusion.attend[1].weight.grad.any()


@pytest.mark.parametrize("name", [n for n in FUSIONS if n != "gated"])
def test_a_modality_can_have_a_projection_of_its_own_size(frames, name):
    specs = {**SPECS, "mfcc": SPECS["mfcc"]._replace(projection_size=3)}
    fusion = FUSIONS[name][0](specs, **FUSIONS[name][1], projection_size=9)
    sizes = {name: vector.shape[1] for name, vector in fusion.projections(frames).items()}
    assert sizes == {"mfcc": 3, "spectrogram": 9, "wav2vec2": 9}
    assert fusion.out_features == (9 if name == "low_rank" else 21)
    assert fusion(frames).shape == (4, fusion.out_features)


def test_concat_is_the_parts_in_the_modalities_order(frames):
    fusion = Concat(SPECS, projection_size=9).eval()
    expected = []
    for name, pooled in (
        ("mfcc", frames["mfcc"].flatten(1)),
        ("spectrogram", frames["spectrogram"].flatten(1)),
        ("wav2vec2", frames["wav2vec2"].mean(1)),
    ):
        expected.append(fusion.pooled[name].project[1](pooled).relu())
    assert torch.allclose(fusion(frames), torch.cat(expected, dim=1), atol=1e-6)
    assert fusion.attention_weights(frames) == {}


def test_gated_equals_a_loop_over_its_equations(frames):
    fusion = scattered(Gated(SPECS, projection_size=9))
    fused, parts = fusion(frames).detach().numpy(), fusion.projections(frames)
    for s in range(4):
        x = pooled({name: value[s].numpy() for name, value in frames.items()})
        h = {name: np.tanh(linear(fusion.pooled[name].project[1], x[name])) for name in SPECS}
        expected = np.zeros(9)
        for name in SPECS:
            z = sigmoid(linear(fusion.gates[name], np.concatenate(list(h.values()))))
            expected += z * h[name]
            assert np.allclose(parts[name][s].detach(), z * h[name], atol=1e-5)
        assert np.allclose(fused[s], expected, atol=1e-5)
    assert fusion.attention_weights(frames) == {} and fusion.out_features == 9


def test_low_rank_equals_a_linear_layer_over_the_whole_outer_product(frames):
    rank, size = 3, 5
    fusion = scattered(LowRank(SPECS, rank=rank, projection_size=size))
    fused = fusion(frames).detach().numpy()
    whole = np.zeros((size, size + 1, size + 1, size + 1))  # what is never computed: [h, m, s, w]
    for r in range(rank):
        w = {}
        for name, factor in fusion.factors.items():
            rows = slice(r * size, (r + 1) * size)
            both = factor.weight[rows], factor.bias[rows, None]
            w[name] = torch.cat(both, dim=1).detach().numpy()  # [h, features and the 1]
        whole += np.einsum("ha,hb,hc->habc", *(w[name] for name in SPECS)) / rank
    for s in range(4):
        x = pooled({name: value[s].numpy() for name, value in frames.items()})
        z = [np.append(np.tanh(linear(fusion.pooled[n].project[1], x[n])), 1) for n in SPECS]
        expected = np.zeros(size)
        for i, j, k in np.ndindex(size + 1, size + 1, size + 1):
            expected += whole[:, i, j, k] * z[0][i] * z[1][j] * z[2][k]
        assert np.allclose(fused[s], expected, atol=1e-4)
    assert fusion.attention_weights(frames) == {} and fusion.out_features == size


def test_no_modality_silences_another_where_products_begin(frames):
    fusion = LowRank(SPECS, projection_size=9).eval()
    with torch.no_grad():
        fusion.pooled["wav2vec2"].project[1].bias.zero_()
    frames["wav2vec2"].zero_()
    frames["mfcc"].requires_grad_()
    fusion(frames).sum().backward()
    assert not fusion.projections(frames)["wav2vec2"].any() and frames["mfcc"].grad.any()


@pytest.mark.parametrize("statistics", [False, True])
def test_attentive_equals_a_loop_over_its_equations(frames, statistics):
    fusion = scattered(Attentive(SPECS, statistics, projection_size=9))
    fused, weights = fusion(frames).detach().numpy(), fusion.attention_weights(frames)
    assert list(weights) == list(SPECS) and fused.shape == (4, fusion.out_features) == (4, 27)
    for s in range(4):
        expected = []
        for name, part in fusion.pooled.items():
            y, u = frames[name][s].numpy(), part.score.weight[0].detach().numpy()
            scores = [sum(a * b for a, b in zip(u, frame, strict=True)) for frame in y]
            a = np.exp(scores) / np.exp(scores).sum()
            assert np.allclose(weights[name][s].detach(), a, atol=1e-5)
            z = sum(a[t] * y[t] for t in range(len(y)))
            if statistics:
                variance = sum(a[t] * (y[t] - z) ** 2 for t in range(len(y)))
                z = np.concatenate([z, np.sqrt(variance + 1e-6)])
            expected.append(relu(linear(part.project[1], z)))
        assert np.allclose(fused[s], np.concatenate(expected), atol=1e-4)


def test_without_projections_attentive_gives_the_weighted_means(frames):
    fusion = scattered(Attentive(SPECS, projection_size=None)).eval()
    weights = fusion.attention_weights(frames)
    means = [torch.einsum("st,stc->sc", weights[name], frames[name]) for name in SPECS]
    assert fusion.out_features == 17
    torch.testing.assert_close(fusion(frames), torch.cat(means, dim=1))


def test_attention_begins_as_the_plain_mean(frames):
    attentive = Attentive(SPECS, projection_size=9).eval()
    for name, weights in attentive.attention_weights(frames).items():
        assert torch.allclose(
            weights, torch.full((4, SPECS[name].num_frames), 1.0) / weights[0].numel()
        )
    mean = Concat(SPECS, projection_size=9, pooling=dict.fromkeys(SPECS, "mean")).eval()
    for name, part in attentive.pooled.items():
        mean.pooled[name].project.load_state_dict(part.project.state_dict())
    assert torch.allclose(attentive(frames), mean(frames), atol=1e-6)


def test_a_modality_can_be_pooled_instead_of_weighed(frames):
    fusion = Attentive(SPECS, pooling={"mfcc": "flatten"}, projection_size=9).eval()
    assert list(fusion.attention_weights(frames)) == ["spectrogram", "wav2vec2"]
    expected = fusion.pooled["mfcc"].project[1](frames["mfcc"].flatten(1)).relu()
    assert torch.allclose(fusion(frames)[:, :9], expected, atol=1e-6)


@pytest.mark.parametrize("name", FUSIONS)
def test_gradients_reach_every_parameter_and_the_frames_of_every_modality(frames, name):
    fusion = FUSIONS[name][0](SPECS, **FUSIONS[name][1], projection_size=9)
    for value in frames.values():
        value.requires_grad_()
    fusion(frames).square().sum().backward()
    told = {**dict(fusion.named_parameters()), **frames}
    assert [n for n, p in told.items() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1e4])
@pytest.mark.parametrize("name", FUSIONS)
def test_silent_and_huge_frames_give_finite_vectors_and_gradients(frames, name, size, precision):
    fusion = scattered(FUSIONS[name][0](SPECS, **FUSIONS[name][1], projection_size=9))
    with torch.autocast("cpu", precision, enabled=precision is not None):
        fused = fusion({n: f.detach() * size for n, f in frames.items()})
        vectors = [fused, *fusion.attention_weights(frames).values()]
    fused.float().sum().backward()
    vectors += [p.grad for p in fusion.parameters()]
    assert all(vector.isfinite().all() for vector in vectors)


@pytest.mark.parametrize("name", ["concat", "gated", "attentive"])
def test_one_modality_is_enough_where_nothing_is_multiplied(frames, name):
    specs = {"wav2vec2": SPECS["wav2vec2"]}
    assert FUSIONS[name][0](specs, projection_size=9)(frames).shape == (4, 9)
