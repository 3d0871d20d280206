"""The layers against loops over their equations, against enumeration and torch's own losses."""

import itertools

import pytest
import torch
from camser_rivals.encoders.lstm_logmel import LSTMLogMel
from camser_rivals.encoders.stc_cnn import STCCNN
from camser_rivals.encoders.tf_cnn import TFCNN
from camser_rivals.fusions.acrnn_attention import ACRNNAttention
from camser_rivals.fusions.gmu_attention import GMUAttention
from camser_rivals.fusions.null_pooling import NullPooling
from camser_rivals.fusions.per_frame import PerFrame
from camser_rivals.fusions.self_attentive import SelfAttentive
from camser_rivals.fusions.seqcap import SeqCap
from camser_rivals.layers.capsules import coupling, length, route, squash
from camser_rivals.layers.class_statistics import class_statistics
from camser_rivals.layers.component_attention import ComponentAttention
from camser_rivals.layers.null_label import in_any_runs, in_runs, masked
from camser_rivals.layers.residual_block import ResidualBlock
from camser_rivals.layers.scan import cumulative_log_sum, cumulative_sum
from camser_rivals.layers.stc_attention import STCAttention
from torch import nn

from camser.encoders import FrameSpec
from camser.encoders.masks import length_mask
from camser.fusion.attentive import Attentive

SPEC = {"speech": FrameSpec(30, 8, "mean")}
FRAMES = 6
# A name for each class of a fusion that gives scores, with small sizes.
SCORING = {
    "ctc": lambda: NullPooling(SPEC, 3, context=2),
    "any runs": lambda: NullPooling(SPEC, 3, runs="any"),
    "per frame": lambda: PerFrame(SPEC, 3),
    "seqcap": lambda: SeqCap(SPEC, 3, capsule_size=4, hidden_size=4, dropout=0.0),
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def posteriors(segments=2, frames=FRAMES, classes=3, scale=1.0):
    """log p of Null [segments, 1, frames], and of each class [segments, classes, frames]"""
    values = (scale * torch.randn(segments, frames, 1 + classes)).log_softmax(dim=2).mT
    return values.split([1, classes], dim=1)


# The attention pooling of Li et al.


def test_bottom_up_times_top_down_is_attention_pooling_and_a_linear_head():
    encoder = TFCNN(num_maps=[1, 2, 2, 2, 3]).eval()
    spec = encoder.frame_spec(16000)
    fusion, head = Attentive({"speech": spec}, projection_size=None), nn.Linear(3, 4)
    nn.init.normal_(fusion.pooled["speech"].score.weight)
    frames = encoder(torch.randn(2, 16000))
    scores = head(fusion({"speech": frames}))
    bottom_up = (frames @ fusion.pooled["speech"].score.weight[0]).softmax(dim=1)
    top_down = frames @ head.weight.T  # a map for each class
    wanted = (bottom_up.unsqueeze(2) * top_down).sum(dim=1) + head.bias
    torch.testing.assert_close(scores, wanted, atol=1e-5, rtol=1e-5)


# The label Null


def runs_of(sequence):
    return sum(a and not b for a, b in zip(sequence, (0, *sequence), strict=False))


def by_enumeration(null, label, wanted):
    """The sum over all sequences of frames whose number of runs is wanted, [segments, classes]"""
    total = torch.zeros(label.shape[:2], dtype=torch.float64)
    for sequence in itertools.product((0, 1), repeat=label.shape[2]):
        if wanted(runs_of(sequence)):
            is_label = torch.tensor(sequence, dtype=torch.bool)
            total += torch.where(is_label, label, null).double().sum(dim=2).exp()
    return total.log().float()


@pytest.mark.parametrize("runs", [1, 2, 3])
def test_runs_of_a_label_are_counted_as_by_enumeration(runs):
    null, label = posteriors()
    wanted = by_enumeration(null, label, lambda number: number == runs)
    torch.testing.assert_close(in_runs(null, label, runs, FRAMES), wanted)


def test_any_runs_are_all_sequences_but_that_of_null():
    null, label = posteriors()
    wanted = by_enumeration(null, label, lambda number: number >= 1)
    torch.testing.assert_close(in_any_runs(null, label), wanted)
    each = [in_runs(null, label, runs, FRAMES) for runs in (1, 2, 3)]  # 6 frames have no more
    torch.testing.assert_close(in_any_runs(null, label), torch.stack(each).logsumexp(dim=0))
    product = torch.logaddexp(null, label).sum(dim=2).exp() - null.sum(dim=2).exp()
    torch.testing.assert_close(in_any_runs(null, label), product.log())


@pytest.mark.parametrize("scale", [1.0, 10.0, 50.0])
@pytest.mark.parametrize("runs", [1, 4])
def test_a_number_of_runs_is_ctc_with_its_gradient(runs, scale):
    logits = (scale * torch.randn(2, 300, 4)).requires_grad_()
    log_probabilities = logits.log_softmax(dim=2)
    null, label = log_probabilities.mT.split([1, 3], dim=1)
    got = -in_runs(null, label, runs, 300)
    targets, lengths = torch.full((2, runs), 2), torch.full((2,), 300)
    wanted = nn.functional.ctc_loss(
        log_probabilities.transpose(0, 1).double(), targets, lengths, torch.full((2,), runs),
        reduction="none",
    )  # fmt: skip
    torch.testing.assert_close(got[:, 1].double(), wanted, rtol=1e-6, atol=1e-4)
    gradients = [
        torch.autograd.grad(g.sum(), logits, retain_graph=True)[0] for g in (got[:, 1], wanted)
    ]
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("count", [lambda n, y: in_runs(n, y, 2, 30), in_any_runs])
def test_padding_adds_no_sequence(count):
    null, label = posteriors(frames=30, scale=5.0)
    mask = length_mask(torch.tensor([30, 17]), 30)
    wanted = count(null[1:, :, :17], label[1:, :, :17])
    torch.testing.assert_close(count(*masked(null, label, mask))[1:], wanted)


def test_what_is_impossible_has_a_finite_score_and_gradient():
    logits = torch.zeros(1, 300, 3)
    logits[..., 2] = -1000
    logits.requires_grad_()
    null, label = logits.log_softmax(dim=2).mT.split([1, 2], dim=1)
    for scores in (in_any_runs(null, label), in_runs(null, label, 1, 300)):
        assert scores.isfinite().all() and scores[0, 1] < scores[0, 0] - 300
        (gradient,) = torch.autograd.grad(-scores[0, 1], logits, retain_graph=True)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("max_frames", [1, 2, 7, 8, 20])
def test_scans_are_cumulative_sums(max_frames):
    values = torch.randn(2, min(max_frames, 8))
    torch.testing.assert_close(cumulative_sum(values, max_frames), values.cumsum(dim=1))
    wanted = values.logcumsumexp(dim=1)
    torch.testing.assert_close(cumulative_log_sum(values, max_frames), wanted)


def test_in_onnx_no_sum_overflows(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")

    class Scores(nn.Module):
        def forward(self, logits):
            null, label = logits.log_softmax(dim=2).mT.split([1, 3], dim=1)
            return in_runs(null, label, 1, 30), in_any_runs(null, label)

    logits = 100 * torch.randn(2, 30, 4)
    program = torch.onnx.export(
        Scores().eval(), (logits,), dynamo=True, opset_version=20, verbose=False
    )
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    found = session.run(None, {session.get_inputs()[0].name: logits.numpy()})
    for got, wanted in zip(found, Scores()(logits), strict=True):
        torch.testing.assert_close(torch.tensor(got), wanted, rtol=1e-5, atol=1e-3)


# Attention


@pytest.mark.parametrize("count", [7, 4])
def test_component_attention_equals_a_loop(count):
    attention, h = ComponentAttention(5, context=2), torch.randn(1, 7, 5)
    got = attention(h, length_mask(torch.tensor([count]), 7))[0]
    for u in range(count):
        near = [t for t in range(u - 2, u + 3) if 0 <= t < count]
        e = torch.stack([(attention.query(h[0, u]) + attention.key(h[0, t])).tanh() for t in near])
        a = e.exp() / e.exp().sum(dim=0)
        wanted = 5 * sum(a[i] * h[0, t] for i, t in enumerate(near))
        torch.testing.assert_close(got[u], wanted, atol=1e-5, rtol=1e-5)


def test_gates_and_attention_equal_the_equations():
    specs = {name: FrameSpec(7, 5, "mean") for name in ("static", "dynamic")}
    fusion = GMUAttention(specs, size=6, attention_size=3, projection_size=4)
    s, d = torch.randn(2, 7, 5), torch.randn(2, 7, 5)
    got = fusion({"static": s, "dynamic": d})
    weights = fusion.attention_weights({"static": s, "dynamic": d})["dynamic"]
    for item in range(2):
        h = []
        for t in range(7):
            z = (fusion.gate.weight[0] @ torch.cat([s[item, t], d[item, t]])).sigmoid()
            own = (fusion.hidden["static"].weight @ s[item, t]).tanh()
            other = (fusion.hidden["dynamic"].weight @ d[item, t]).tanh()
            h.append(z * own + (1 - z) * other)
        scores = torch.stack([fusion.score(frame)[0] for frame in h])
        a = scores.exp() / scores.exp().sum()
        torch.testing.assert_close(weights[item], a)
        u = sum(weight * frame for weight, frame in zip(a, h, strict=True))
        torch.testing.assert_close(got[item], fusion.project(u), atol=1e-5, rtol=1e-5)


def test_heads_equal_the_equations():
    fusion = SelfAttentive({"a": FrameSpec(7, 5, "mean")}, num_heads=2, projection_size=4).eval()
    h, (first, _, second) = torch.randn(7, 5), fusion.pooled["a"].score
    a = ((h @ first.weight.T).tanh() @ second.weight.T).softmax(dim=0)  # [frames, heads]
    wanted = fusion.pooled["a"].project((a.T @ h).flatten())
    torch.testing.assert_close(fusion({"a": h[None]})[0], wanted)
    torch.testing.assert_close(fusion.attention_weights({"a": h[None]})["a"][0], a.mean(dim=1))


def test_a_batch_of_one_segment_is_normalized_by_what_training_has_seen():
    fusion, frames = ACRNNAttention(SPEC, projection_size=4), torch.randn(9, 30, 8)
    for _ in range(50):
        fusion({"speech": frames})
    one = fusion({"speech": frames[:1]})
    torch.testing.assert_close(one, fusion.eval()({"speech": frames[:1]}))


@pytest.mark.parametrize("order", ["parallel", "serial"])
def test_stc_attention_weighs_along_three_axes(order):
    attention, maps = STCAttention(8, order), torch.randn(2, 8, 9, 10)
    c, f, t = (
        attention.channel(maps.mean(dim=(2, 3))).view(2, 8, 1, 1),
        attention.frequency(maps.mean(dim=(1, 3))[:, None]).view(2, 1, 9, 1),
        attention.time(maps.mean(dim=(1, 2))[:, None]).view(2, 1, 1, 10),
    )
    if order == "parallel":
        torch.testing.assert_close(attention(maps), maps * (1 + (c + f + t).sigmoid()))
    else:
        assert not torch.allclose(attention(maps), maps * (1 + (c + f + t).sigmoid()))
        nn.init.zeros_(attention.time.weight)
        nn.init.zeros_(attention.frequency.weight)
        nn.init.zeros_(attention.time.bias)
        nn.init.zeros_(attention.frequency.bias)
        torch.testing.assert_close(attention(maps), maps * (1 + c.sigmoid()) * 1.5 * 1.5)


def test_a_residual_block_begins_with_a_bias_of_one():
    block, x = ResidualBlock(3, dropout=0.5).eval(), torch.randn(4, 3)
    wanted = (block.outer(block.inner(x).relu()) + x + 1).relu()
    torch.testing.assert_close(block(x), wanted)


# Capsules


def test_a_capsule_is_shorter_than_one_and_keeps_its_direction():
    vectors = torch.cat([torch.randn(100, 4), 100 * torch.randn(100, 4), torch.zeros(1, 4)])
    squashed = squash(vectors)
    assert squashed.norm(dim=1).max() < 1
    cosines = nn.functional.cosine_similarity(squashed[:-1], vectors[:-1])
    torch.testing.assert_close(cosines, torch.ones(200))
    size = vectors[:1].norm()
    torch.testing.assert_close(squashed[:1].norm(), size**2 / (1 + size**2))


def test_what_a_capsule_gives_away_sums_to_one_over_emotions():
    weights = coupling(torch.randn(2, 5, 4), length_mask(torch.tensor([5, 3]), 5))
    sums = torch.tensor([[1.0, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    torch.testing.assert_close(weights.sum(dim=2), sums)


@pytest.mark.parametrize("iterations", [1, 3])
def test_routing_equals_a_loop(iterations):
    votes, mask = torch.randn(2, 5, 4, 3), length_mask(torch.tensor([5, 3]), 5)
    got = route(votes, iterations, mask)
    for item, count in enumerate((5, 3)):
        b = torch.zeros(count, 4)
        for _ in range(iterations):
            c = b.softmax(dim=1)
            sums = [sum(c[i, j] * votes[item, i, j] for i in range(count)) for j in range(4)]
            v = [s * s.norm() / (1 + s.norm() ** 2) for s in sums]
            for i, j in itertools.product(range(count), range(4)):
                b[i, j] += votes[item, i, j] @ v[j]
        torch.testing.assert_close(got[item], torch.stack(v), atol=1e-4, rtol=1e-4)
    assert (length(got) < 1).all()


def test_a_score_mixes_the_probabilities_of_capsules_and_gru():
    fusion, frames = SeqCap(SPEC, 3, mixture=0.6).eval(), torch.randn(2, 30, 8)
    capsules, gru = (branch.exp() for branch in fusion.branches(frames))
    scores = fusion({"speech": frames})
    torch.testing.assert_close(scores.exp(), 0.6 * capsules + 0.4 * gru)
    torch.testing.assert_close(scores.exp().sum(dim=1), torch.ones(2))


# Scores, losses and vectors for an ELM


def test_statistics_of_posteriors_equal_their_definition():
    values, counts = torch.rand(2, 9, 3), (9, 4)
    got = class_statistics(values.log(), length_mask(torch.tensor(counts), 9))
    for item, count in enumerate(counts):
        v = values[item, :count]
        parts = [v.amax(dim=0), v.amin(dim=0), v.mean(dim=0), (v > 0.2).float().mean(dim=0)]
        torch.testing.assert_close(got[item], torch.cat(parts))


def test_a_frames_score_is_its_mean_probability_and_its_loss_its_mean_cross_entropy():
    fusion, frames = PerFrame(SPEC, 3), torch.randn(2, 30, 8)
    labels, masks = torch.tensor([0, 2]), {"speech": length_mask(torch.tensor([30, 11]), 30)}
    scores = fusion({"speech": frames}, masks)
    losses = fusion.loss({"speech": frames}, labels, masks)
    for item, count in enumerate((30, 11)):
        logits = fusion.linear(frames[item, :count])
        torch.testing.assert_close(scores[item].exp(), logits.softmax(dim=1).mean(dim=0))
        wanted = nn.functional.cross_entropy(logits, labels[item].repeat(count))
        torch.testing.assert_close(losses[item], wanted)


@pytest.mark.parametrize("name", SCORING)
def test_a_loss_learns_and_padding_does_not_change_it(name):
    fusion = SCORING[name]()
    labels = torch.arange(12) % 3
    frames = torch.randn(12, 30, 8)
    frames[:, 5:15] += 4 * nn.functional.one_hot(labels, 8).unsqueeze(1)
    counts = torch.tensor([30, 20] * 6)
    masks = {"speech": length_mask(counts, 30)}
    optimizer = torch.optim.Adam(fusion.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        losses = fusion.loss({"speech": frames}, labels, masks)
        losses.mean().backward()
        optimizer.step()
    assert losses.shape == (12,) and losses.isfinite().all()
    assert fusion({"speech": frames}, masks).argmax(dim=1).tolist() == labels.tolist()
    other = torch.where(masks["speech"].unsqueeze(2), frames, 9.0)
    again = fusion.loss({"speech": other}, labels, masks)
    torch.testing.assert_close(again, fusion.loss({"speech": frames}, labels, masks))


@pytest.mark.parametrize("name", ["ctc", "any runs", "per frame"])
def test_an_elm_gets_four_statistics_of_each_class(name):
    fusion, frames = SCORING[name](), {"speech": torch.randn(2, 30, 8)}
    masks = {"speech": length_mask(torch.tensor([30, 11]), 30)}
    vectors = fusion.back_end_vector(frames, masks)
    assert vectors.shape == (2, 12) and (vectors >= 0).all() and (vectors <= 1).all()
    own = {"speech": frames["speech"][1:, :11]}
    torch.testing.assert_close(vectors[1:], fusion.back_end_vector(own), atol=1e-5, rtol=1e-5)


# What is refused


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: NullPooling({**SPEC, "b": SPEC["speech"]}, 3), "speech, b; give one alone"),
        (lambda: NullPooling(SPEC, 3, runs=0), "runs is 0; allowed: any, or a whole number"),
        (lambda: SeqCap({"a": FrameSpec(9, 9, "mean")}, 3), "9 channels; allowed: multiples of 8"),
        (lambda: SeqCap(SPEC, 3, mixture=1.5), "mixture is 1.5; allowed: between 0 and 1"),
        (lambda: GMUAttention(SPEC), r"frames: speech \[30, 8\]; give two modalities"),
        (lambda: LSTMLogMel("both"), "part is 'both'; allowed: static, dynamic"),
        (lambda: TFCNN([1, 2]), r"num_maps is \[1, 2\]; give five numbers"),
        (lambda: STCCNN([8]), r"num_maps is \[8\]; give two numbers"),
        (lambda: STCAttention(8, "both"), "order is 'both'; allowed: parallel, serial"),
        (lambda: STCAttention(9), "9 channels; allowed: multiples of 8"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
