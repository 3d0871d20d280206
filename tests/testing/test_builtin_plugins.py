"""Every built-in plugin passes every check: the kit that others use, on our own."""

import pytest

from camser import registry
from camser.testing import checks_of
from tests.helpers.recipe_runs import TINY_WAV2VEC2, TINY_WHISPER

# Where torch.compile breaks a graph is a note, and no failure.
pytestmark = pytest.mark.filterwarnings("ignore::camser.testing.ConformanceWarning")

GUIDED = {"guides": ["mfcc", "spectrogram"], "target": "wav2vec2", "projection_size": 8}
NOISE = {"mask_time_prob": 0.3, "mask_feature_prob": 0.2, "layer_drop": 0.5}
STABLE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}

BUILT_INS = {
    ("encoder", "mfcc_bilstm"): {"hidden_size": 8},
    ("encoder", "mfcc_statistics"): {"num_coefficients": 5, "quantiles": [0.5]},
    ("encoder", "spectrogram_alexnet"): {"weights": None},
    ("encoder", "wav2vec2"): {"config": TINY_WAV2VEC2},
    ("encoder", "whisper"): {"config": TINY_WHISPER},
    ("fusion", "concat"): {"projection_size": 8},
    ("fusion", "co_attention"): GUIDED,
    ("fusion", "gated"): {"projection_size": 8},
    ("fusion", "low_rank"): {"projection_size": 8, "rank": 2},
    ("fusion", "attentive"): {"projection_size": 8},
    ("back_end", "logistic"): {},
    ("back_end", "svm"): {},
    ("back_end", "elm"): {"hidden_size": 20},
}
VARIANTS = {
    "frozen_alexnet": ("spectrogram_alexnet", {"weights": None, "freeze": True}),
    "full_scale": ("spectrogram_alexnet", {"weights": None, "reference": "full_scale"}),
    "hubert": ("wav2vec2", {"config": {**TINY_WAV2VEC2, "model_type": "hubert"}}),
    "wavlm": ("wav2vec2", {"config": {**TINY_WAV2VEC2, "model_type": "wavlm", "num_buckets": 32}}),
    "data2vec": (
        "wav2vec2",
        {
            "config": {
                **TINY_WAV2VEC2,
                "model_type": "data2vec-audio",
                "num_conv_pos_embeddings": 1,
            }
        },
    ),
    "noise": ("wav2vec2", {"config": TINY_WAV2VEC2, **NOISE}),
    "weighted_sum": ("wav2vec2", {"config": {**TINY_WAV2VEC2, **STABLE}, "layer": "weighted_sum"}),
    "middle_layer": ("wav2vec2", {"config": {**TINY_WAV2VEC2, **STABLE}, "layer": 1}),
    "frozen": ("wav2vec2", {"config": TINY_WAV2VEC2, "freeze": "all"}),
    "frozen_convolutions": ("wav2vec2", {"config": TINY_WAV2VEC2, "freeze": "convolutions"}),
    "recomputing": ("wav2vec2", {"config": TINY_WAV2VEC2, "gradient_checkpointing": True}),
    "whisper_noise": ("whisper", {"config": TINY_WHISPER, **NOISE}),
    "whisper_mixture": ("whisper", {"config": TINY_WHISPER, "layer": "weighted_sum"}),
    "whisper_frozen": ("whisper", {"config": TINY_WHISPER, "freeze": "all"}),
    "statistics": ("concat", {"pooling": {"mfcc": "statistics", "wav2vec2": "last"}}),
    "softmax": ("co_attention", {**GUIDED, "activation": "softmax"}),
    "unprojected": ("concat", {"projection_size": None}),
    "inner_folds": ("logistic", {"C": "inner_folds", "class_weights": None}),
    "even_start": ("co_attention", {**GUIDED, "activation": "softmax", "even_start": True}),
    "gated_means": ("gated", {"pooling": {"mfcc": "mean", "spectrogram": "statistics"}}),
    "rank_one": ("low_rank", {"projection_size": 8, "rank": 1}),
    "attentive_statistics": ("attentive", {"projection_size": 8, "statistics": True}),
    "attentive_in_part": ("attentive", {"projection_size": 8, "pooling": {"mfcc": "flatten"}}),
    "kept_alone": ("co_attention", {**GUIDED, "output_modalities": ["wav2vec2"]}),
}


def parametrize(cases):
    return pytest.mark.parametrize(
        "check",
        [
            pytest.param(check, id=f"{label}-{check.name}", marks=slow(kind, check))
            for label, kind, name, params in cases
            for check in checks_of(registry.load(kind, name), **params)
        ],
    )


def slow(kind, check):
    """Of encoders, what takes many seconds each."""
    is_long = kind == "encoder" and check.name in ("compile", "ddp")
    return [pytest.mark.slow] if is_long else []


@parametrize([(name, kind, name, params) for (kind, name), params in BUILT_INS.items()])
def test_a_built_in_conforms(check):
    check()


@pytest.mark.slow
@parametrize(
    [
        (label, kind, name, params)
        for label, (name, params) in VARIANTS.items()
        for kind in registry.GROUPS
        if (kind, name) in BUILT_INS
    ]
)
def test_with_other_parameters_it_conforms_too(check):
    check()


def test_no_built_in_is_left_out_or_excused():
    ours = [
        (kind, point)
        for kind in registry.GROUPS
        for point in registry.entry_points_of_kind(kind)
        if point.dist.name == "camser"
    ]
    assert {(kind, point.name) for kind, point in ours} == set(BUILT_INS)
    assert not any(registry.load(kind, point.name).expected_failures for kind, point in ours)
