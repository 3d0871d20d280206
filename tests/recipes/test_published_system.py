"""IEMOCAP's recipe stays the published system (Zou et al., 2022), whatever later work adds."""

import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from camser.build import build_model
from camser.config.settings import read_arguments
from camser.inference.skip_init import SkipWeightInit
from camser.model import EmotionHead, count_parameters
from camser.training import EarlyStopping
from camser.training.brain import EmotionBrain
from camser.training.class_weights import class_weights
from tests.helpers.recipe_runs import ROOT

RECIPE = "hparams/camser.yaml"
# wav2vec2-base and random weights take the place of what would be downloaded.
OFFLINE = {
    "spectrogram": {"weights": None},
    "wav2vec2": {"source": None, "config": {"model_type": "wav2vec2"}},
}


def read(*overrides):
    arguments = [RECIPE, "--data_folder=nowhere", *overrides]
    return read_arguments(arguments, ROOT / "recipes/IEMOCAP")


@pytest.fixture(scope="module")
def values():
    return read().values


@pytest.fixture(scope="module")
def model():
    ((_, arguments),) = read(f"--encoders={json.dumps(OFFLINE)}").values["embedding_model"].items()
    with SkipWeightInit():
        return build_model(**arguments)


def test_training_is_the_published_one(values):
    published = {
        "batch_size": 64,
        "number_of_epochs": 100,
        "patience": 8,
        "min_epoch": 0,
        "learning_rate": 1e-5,
        "learning_rates": {},
        "schedule": None,
        "class_weights": None,
        "label_smoothing": 0.0,
        "augment": None,
        "max_grad_norm": -1,
        "labels": ["angry", "sad", "happy", "neutral"],
        "merge_labels": {"excited": "happy"},
        "protocol": "leave_one_speaker_out",
    }
    assert {name: values[name] for name in published} == published
    ((optimizer, arguments),) = values["opt_class"].items()
    assert "torch.optim.AdamW" in str(optimizer)
    assert arguments == {"weight_decay": 0.01, "fused": True}  # torch's default decay
    defaults = torch.optim.AdamW([nn.Parameter(torch.zeros(1))]).defaults
    assert (defaults["betas"], defaults["eps"]) == ((0.9, 0.999), 1e-8)
    scheduled = [name for name in values if "sched" in name or "anneal" in name or "warm" in name]
    assert scheduled == ["schedule"]


def test_the_loss_is_cross_entropy_on_segments_and_the_best_epoch_that_of_wa_and_ua(values):
    head, embeddings = EmotionHead(128, 4), torch.randn(5, 128)
    batch = SimpleNamespace(label=torch.randint(0, 4, (5,)))
    weights = class_weights(values["class_weights"], batch.label, 4)
    brain = SimpleNamespace(hparams=SimpleNamespace(**values), class_weights=weights)
    found = EmotionBrain.compute_objectives(brain, head(embeddings), batch, None)
    expected = nn.functional.cross_entropy(head.linear(embeddings), batch.label)
    torch.testing.assert_close(found, expected)
    counter = EarlyStopping(limit=100, patience=8)
    epochs = [e for e in counter if counter.update(1.0 if e == 7 else 0.5) or True]
    assert counter.best_epoch == 7 and epochs[-1] == 15


def test_the_only_known_difference_of_the_recipe_is_the_honest_selection(values):
    assert values["selection"] == "held_out"  # published: test_fold


def test_the_system_is_the_published_one(values, model):
    assert values["modalities"] == ["mfcc", "spectrogram", "wav2vec2"]
    assert model.segment_samples == 48000 and model.preemphasis_over == "utterance"
    assert {e.preemphasis for e in model.encoders.values()} == {0.97}
    mfcc, spectrogram, wav2vec2 = model.encoders.values()
    assert mfcc.args == {
        "hidden_size": 256, "num_layers": 2, "dropout": 0.5, "preemphasis": 0.97,
        "num_coefficients": 40, "num_mels": 128, "n_fft": 2048, "hop_samples": 160,
        "sample_rate": 16000,
    }  # fmt: skip
    assert spectrogram.args == {
        "reference": "segment", "preemphasis": 0.97, "window_samples": 640, "hop_samples": 160,
        "n_fft": 800, "num_bins": 200,
    }  # fmt: skip
    assert values["encoders"]["spectrogram"]["weights"] == "imagenet"
    assert values["encoders"]["wav2vec2"]["source"] == "facebook/wav2vec2-base-960h"
    assert wav2vec2.noise == {
        "mask_time_prob": 0.05, "mask_time_length": 10, "mask_time_min_masks": 2,
        "mask_feature_prob": 0.0, "mask_feature_length": 10, "mask_feature_min_masks": 0,
        "layer_drop": 0.1,
    }  # fmt: skip
    assert wav2vec2.layer is None and wav2vec2.normalize
    frames = [encoder.frame_spec(48000)[:2] for encoder in model.encoders.values()]
    assert frames == [(300, 512), (6, 1536), (149, 768)]
    architecture = model.architecture
    assert architecture["fusions"]["co_attention"] == {
        "plugin": "camser:co_attention", "guides": ["mfcc", "spectrogram"], "target": "wav2vec2",
        "output_modalities": None, "activation": "relu", "projection_size": 128, "dropout": 0.1,
        "pooling": None, "even_start": False,
    }  # fmt: skip
    assert (architecture["hidden_sizes"], architecture["dropout"]) == ([128, 128], 0.1)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_parameters_are_as_many_as_published(model):
    # The authors' AlexNet has 54 million more, in a classifier that nothing uses.
    assert count_parameters(model, EmotionHead(128, 4)) == {
        name: (count, count)
        for name, count in {
            "mfcc": 2_187_264,
            "spectrogram": 2_469_696,
            "wav2vec2": 94_371_712,
            "fusion": 20_977_429,
            "hidden": 65_792,
            "head": 516,
            "total": 120_072_409,
        }.items()
    }
