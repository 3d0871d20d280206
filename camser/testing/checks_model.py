"""Checks inside a complete model: utterances of any length, and an exported model."""

from __future__ import annotations

import tempfile
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from camser.audio import SAMPLE_RATE
from camser.build import build_head, build_model
from camser.inference import export_folder
from camser.inference.export_config import FORMAT
from camser.model import UtteranceEncoder
from camser.testing.assertions import expect, expect_same
from camser.testing.plugin_under_test import PluginUnderTest, map_tensors

LABELS = ["angry", "sad", "happy", "neutral"]
SEGMENTS = (2.4, 1.0, 0.3)  # lengths of utterances, in segments


@torch.no_grad()
def utterance(subject: PluginUnderTest) -> None:
    """It works inside UtteranceEncoder and does not change its input."""
    module, inputs = subject.build().eval(), subject.inputs()
    passed = map_tensors(inputs, Tensor.clone)
    module(passed)
    pairs = (
        {"": (inputs, passed)}
        if subject.is_encoder
        else {f" {name!r}": (inputs[name], passed[name]) for name in inputs}
    )
    for name, (before, after) in pairs.items():
        expect_same(after, before, f"its forward changes its input{name}: it differs", 0.0)
    model = subject.model().eval()
    wavs, lens = utterances(model)
    got = list(model(wavs, lens).shape)
    declared = [len(SEGMENTS), model.embedding_size]
    expect(got == declared, f"embeddings are {got}, not {declared}")
    outputs = model.intermediates(wavs[:, : 1 + model.segment_samples])
    expect(
        outputs.fused.shape[1] == model.fusion.out_features,
        f"fused vectors have {outputs.fused.shape[1]} features; out_features is "
        f"{model.fusion.out_features}",
    )


@torch.no_grad()
def export(subject: PluginUnderTest) -> None:
    """A model with it can be exported, and the exported model gives the same scores."""
    architecture = subject.model().architecture
    with subject.registered():
        torch.manual_seed(0)
        model = build_model(**architecture).eval()
        head = build_head(model, len(LABELS)).eval()
        with tempfile.TemporaryDirectory() as folder:
            config = {  # the least that can be loaded
                "model_type": "camser",
                "format": FORMAT,
                "camser": metadata.version("camser"),
                "labels": LABELS,
                "sample_rate": SAMPLE_RATE,
                "temperature": 1.0,
                "architecture": architecture,
                "plugins": model.plugins,
            }
            export_folder.write(folder, config, {"embedding_model": model, "classifier": head})
            torch.manual_seed(0)
            _, modules = export_folder.read(Path(folder))
    wavs, lens = utterances(model)
    scores = []
    for embed, classify in ((model, head), modules.values()):
        torch.manual_seed(0)
        scores.append(classify.eval()(embed.eval()(wavs, lens)))
    expect_same(
        scores[1], scores[0], "loaded from the exported model, the log-probabilities differ"
    )


def utterances(model: UtteranceEncoder) -> tuple[Tensor, Tensor]:
    """Noise of unequal lengths: [utterances, samples], and their relative lengths."""
    generator = torch.Generator().manual_seed(2)
    lengths = torch.tensor([round(n * model.segment_samples) for n in SEGMENTS])
    wavs = torch.randn(len(SEGMENTS), int(lengths.max()), generator=generator) / 10
    inside = torch.arange(wavs.shape[1]) < lengths[:, None]
    return wavs * inside, lengths / lengths.max()
