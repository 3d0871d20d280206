"""The model at the paper's sizes, and the promises that inference rests on."""

import itertools
import json

import pytest
import torch

from camser import segments
from camser.build import build_model
from camser.encoders.base import Encoder
from camser.encoders.mfcc import MFCCBiLSTM
from camser.encoders.spectrogram import SpectrogramAlexNet
from camser.encoders.wav2vec2 import Wav2Vec2
from camser.fusion.co_attention import CoAttention
from camser.fusion.concat import Concat
from camser.model import EmotionHead, UtteranceEncoder, count_parameters
from camser.over_segments import over_segments
from tests.helpers.recipe_runs import TINY_WAV2VEC2

MODALITIES = ("mfcc", "spectrogram", "wav2vec2")
SUBSETS = [s for n in (1, 2, 3) for s in itertools.combinations(MODALITIES, n)]
OUTPUTS = [("wav2vec2",), ("mfcc", "wav2vec2"), ("spectrogram", "wav2vec2"), MODALITIES]
CASES = [("concat", s) for s in SUBSETS] + [("co_attention", k) for k in OUTPUTS]


def tiny_model(fusion="co_attention", modalities=MODALITIES, **more):
    encoders = {
        "mfcc": {"plugin": "mfcc_bilstm", "hidden_size": 4},
        "spectrogram": {"plugin": "spectrogram_alexnet", "weights": None},
        "wav2vec2": {"plugin": "wav2vec2", "config": TINY_WAV2VEC2},
    }
    fusions = {
        "concat": {"plugin": "concat"},
        "co_attention": {
            "plugin": "co_attention",
            "guides": ["mfcc", "spectrogram"],
            "target": "wav2vec2",
        },
    }
    return build_model(modalities, encoders, fusion, fusions, 1.0, **more)


@pytest.fixture(scope="module")
def paper():
    """The paper's encoders, random weights (wav2vec2-base is transformers' default)."""
    return {
        "mfcc": MFCCBiLSTM(),
        "spectrogram": SpectrogramAlexNet(weights=None),
        "wav2vec2": Wav2Vec2(config={"model_type": "wav2vec2"}),
    }


def specs(encoders):
    return {name: encoder.frame_spec(48000) for name, encoder in encoders.items()}


def test_the_papers_sizes(paper):
    assert specs(paper)["mfcc"][:2] == (300, 512)
    assert specs(paper)["spectrogram"][:2] == (6, 1536)
    assert specs(paper)["wav2vec2"][:2] == (149, 768)
    guided = {"guides": ["mfcc", "spectrogram"], "target": "wav2vec2"}
    model = UtteranceEncoder(paper, CoAttention(specs(paper), **guided), 48000)
    total = {
        name: count for name, (count, _) in count_parameters(model, EmotionHead(128, 4)).items()
    }
    lstm = 2 * 4 * 256 * (40 + 256 + 2) + 2 * 4 * 256 * (512 + 256 + 2)
    # wav2vec2-base without its pretraining heads, as its authors count it: 94.4 M.
    assert total["wav2vec2"] == 94_371_712
    assert total["mfcc"] == lstm == 2_187_264
    assert total["spectrogram"] == 2_469_696
    projections = (153600 + 1) * 128 + (9216 + 1) * 128 + (768 + 1) * 128
    assert total["fusion"] == projections + (256 + 1) * 149
    assert total["hidden"] == (384 + 1) * 128 + (128 + 1) * 128
    assert total["head"] == (128 + 1) * 4
    assert total["total"] == sum(v for k, v in total.items() if k != "total")


@pytest.mark.parametrize(
    "fusion, names",
    [pytest.param(*c, marks=[pytest.mark.slow] if len(c[1]) == 2 else []) for c in CASES],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),
)
def test_no_parameter_is_left_without_a_gradient(paper, fusion, names):
    encoders = {n: paper[n] for n in (names if fusion == "concat" else MODALITIES)}
    if fusion == "concat":
        fused = Concat(specs(encoders))
    else:
        fused = CoAttention(specs(encoders), MODALITIES[:2], "wav2vec2", output_modalities=names)
    model, head = UtteranceEncoder(encoders, fused, 48000).train(), EmotionHead(128, 4)
    model.zero_grad()
    head(model(torch.randn(1, 48000) / 10, torch.ones(1)))[0, 0].backward()
    modules = {"model": model, "head": head}
    missing = [
        f"{part}.{name}"
        for part, module in modules.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert missing == []


def test_a_batch_of_mixed_lengths_equals_one_at_a_time():
    model = tiny_model().eval()
    lengths = [800, 16000, 16001, 40000, 5000]
    waves = [torch.randn(n) / 10 for n in lengths]
    padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True, padding_value=7.0)
    together = model(padded, torch.tensor(lengths) / max(lengths))
    alone = torch.cat([model(wave.unsqueeze(0), torch.ones(1)) for wave in waves])
    # Batched matrix products add in another order.
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_heads_decision_is_that_of_the_segments_mean_log_probability():
    model, head = tiny_model("concat").eval(), EmotionHead(128, 4)
    with torch.no_grad():
        head.linear.weight.mul_(20)
    waves = torch.randn(6, 56000) / 10
    pieces, (owners, *_) = segments.split_into_segments(waves, torch.ones(6), 16000)
    per_segment = head(model(pieces))
    mean = over_segments(per_segment, owners, 6)
    ours = head(model(waves, torch.ones(6)))
    assert torch.equal(ours.argmax(1), mean.argmax(1))
    assert torch.allclose(ours, mean.log_softmax(1), atol=1e-5)


def test_kept_frames_take_an_encoders_place():
    model = tiny_model().eval()
    waves = torch.randn(2, 16000) / 10
    pieces = torch.nn.functional.pad(waves, (1, 0))
    filtered = model.preemphasized(pieces, 0.97)
    cached = {"mfcc": model.encoders["mfcc"].cacheable_output(filtered)}
    model_output = model(waves, torch.ones(2))
    model.encoders["mfcc"].front_end = None  # must not be called
    assert torch.equal(model.forward_segments(pieces, cached), model_output)
    assert torch.equal(model(pieces, cached=cached), model_output)  # as a wrapper calls it


def test_without_a_segment_all_is_computed_from_the_cache():
    model = tiny_model("concat", ["mfcc"]).eval()
    waves = torch.randn(2, 16001) / 10
    filtered = model.preemphasized(waves, 0.97)
    cached = {name: encoder.cacheable_output(filtered) for name, encoder in model.encoders.items()}
    assert torch.equal(model.forward_segments(None, cached), model.forward_segments(waves))


def test_inspection_tells_of_the_same_pass_and_leaves_the_mode():
    model = tiny_model().train()
    waves = torch.randn(2, 30000) / 10
    cut, (owners, *_) = segments.split_into_segments(waves, torch.tensor([1.0, 0.5]), 16000)
    seen = model.intermediates(cut)
    assert model.training and model.encoders["mfcc"].training
    model.eval()
    means = over_segments(seen.embeddings, owners, 2)
    # Gradients are on in one of the two, and kernels may then add in another order.
    assert torch.allclose(means, model(waves, torch.tensor([1.0, 0.5])), atol=1e-5)
    assert set(seen.projections) == set(MODALITIES) and seen.projections["mfcc"].shape == (3, 128)
    assert {k: v.shape for k, v in seen.attention_weights.items()} == {"wav2vec2": (3, 49)}


def test_log_probabilities_stay_in_float32_under_autocast():
    model, head = tiny_model("concat").eval(), EmotionHead(128, 4)
    with torch.autocast("cpu", torch.bfloat16):
        output = head(model(torch.randn(1, 16000), torch.ones(1)))
    assert output.dtype == torch.float32
    assert torch.allclose(output.exp().sum(), torch.tensor(1.0))


ENCODERS = {
    "mfcc": {"plugin": "mfcc_bilstm"},
    "w2v": {"plugin": "wav2vec2", "config": TINY_WAV2VEC2},
}
FUSIONS = {
    "concat": {"plugin": "concat"},
    "co_attention": {"plugin": "co_attention", "guides": ["mfcc"], "target": "wav2vec2"},
}


@pytest.mark.parametrize(
    "modalities, encoders, fusion, message",
    [
        (["mfc"], ENCODERS, "concat", "'mfc' is not among the encoders: mfcc, w2v.*'mfcc'"),
        (["mfcc", "mfcc"], ENCODERS, "concat", r"'mfcc', 'concat'\] are .* and the fusion"),
        ([], ENCODERS, "concat", r"modalities is \[\]; give a list of names"),
        ("mfcc", ENCODERS, "concat", "modalities is 'mfcc'; give a list of names"),
        (["mfcc"], ENCODERS, "coattention", "'coattention' .* the fusions: .*'co_attention'"),
        (["mfcc"], {"mfcc": {"hidden_size": 1}}, "concat", "'mfcc' is .*must name a plugin"),
        (["mfcc"], {"mfcc": {"plugin": "mfcc"}}, "concat", "no plugin 'mfcc'; installed: mfcc_bi"),
        (
            ["mfcc"],
            {"mfcc": {"plugin": "mfcc_bilstm", "hiden_size": 1}},
            "concat",
            "'mfcc_bilstm'.*hiden_size.*Did you mean 'hidden_size'",
        ),
        (
            ["mfcc"],
            ENCODERS,
            "co_attention",
            r"fusion 'co_attention': target 'wav2vec2' is not among the modalities \[mfcc\]",
        ),
    ],
)
def test_names_that_do_not_fit_are_errors_when_built(modalities, encoders, fusion, message):
    with pytest.raises(ValueError, match=message):
        build_model(modalities, encoders, fusion, FUSIONS, 1.0)


def test_no_modality_is_called_as_the_fusion():
    fusions = {"mfcc": {"plugin": "concat"}}
    told = r"\['mfcc', 'mfcc'\] are the modalities and the fusion; give each a name of its own"
    with pytest.raises(ValueError, match=told):
        build_model(["mfcc"], ENCODERS, "mfcc", fusions, 1.0)


def test_the_architecture_builds_the_same_whatever_defaults_and_names_become(monkeypatch):
    model = tiny_model("concat")
    described = json.loads(json.dumps(model.architecture))
    assert described["encoders"]["wav2vec2"]["plugin"] == "camser:wav2vec2"
    assert described["fusions"]["concat"]["plugin"] == "camser:concat"
    monkeypatch.setattr(UtteranceEncoder.__init__, "__defaults__", ((7,), 0.9))
    monkeypatch.setattr(Concat.__init__, "__defaults__", (3, 0.9, None))
    again = build_model(**described)
    assert again.architecture == described and again.plugins == model.plugins
    assert {k: v.shape for k, v in again.state_dict().items()} == {
        k: v.shape for k, v in model.state_dict().items()
    }
    assert [m.p for m in again.modules() if isinstance(m, torch.nn.Dropout)] == [
        m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)
    ]


def test_an_encoder_is_told_apart_by_whether_it_is_constant():
    class Fixed(Encoder):
        pass

    class Learned(Encoder):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

    assert Fixed().is_frozen and not Learned().is_frozen


class Level(Encoder):
    """One frame: the largest sample that it gets."""

    out_channels = 1

    def __init__(self, preemphasis=0.0):
        super().__init__()
        self.preemphasis, self.seen = preemphasis, []

    def forward(self, segments):
        self.seen.append(segments)
        return segments.abs().amax(1).view(-1, 1, 1)

    def num_frames(self, num_samples):
        return 1


def test_each_encoder_gets_the_utterance_filtered_as_it_declares_and_then_cut():
    encoders = {"plain": Level(), "high": Level(0.97), "too": Level(0.97), "less": Level(0.5)}
    model = UtteranceEncoder(
        encoders, Concat({name: e.frame_spec(400) for name, e in encoders.items()}), 400
    )
    wavs = torch.randn(2, 1000)
    model(wavs, torch.tensor([1.0, 0.7]))
    for name, coefficient in (("plain", 0.0), ("high", 0.97), ("less", 0.5)):
        (seen,) = encoders[name].seen
        assert seen.shape == (5, 400) and seen.is_contiguous()
        previous = torch.nn.functional.pad(wavs, (1, 0))[:, :-1]
        filtered = wavs - coefficient * previous
        torch.testing.assert_close(seen[:2].flatten(), filtered[0, :800])
        torch.testing.assert_close(seen[3:].flatten()[:700], filtered[1, :700])
    assert encoders["too"].seen[0] is encoders["high"].seen[0]  # filtered once


def test_segments_without_the_sample_before_them_are_refused():
    model = tiny_model()
    with pytest.raises(ValueError, match=r"segments: \[2, 16000\]; allowed: \[segments, 16001\]"):
        model(torch.randn(2, 16000))
    with pytest.raises(ValueError, match="preemphasis_over is 'file'; allowed: utterance, segment"):
        UtteranceEncoder({}, model.fusion, 400, preemphasis_over="file")
