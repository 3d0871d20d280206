"""Checks of the contract of every module: sizes, finite values, gradients, state."""

from __future__ import annotations

import io
import random
from bisect import bisect_left
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor, nn

from camser.fusion.over_frames import POOLINGS
from camser.testing.assertions import expect, expect_finite, expect_same, first_few
from camser.testing.plugin_under_test import (
    LENGTHS,
    NUM_CLASSES,
    ROWS,
    PluginUnderTest,
    accepts,
    map_tensors,
)

PASSES = 4  # training passes, so that layers that are skipped at random are used at least once


@torch.no_grad()
def encoder_sizes(subject: PluginUnderTest) -> None:
    """Frames and channels are as declared, for any length down to the shortest."""
    encoder = subject.build().eval()
    expect(encoder.pooling in POOLINGS, f"pooling is {encoder.pooling!r}; allowed: {[*POOLINGS]}")
    longest = max(n for n in (*LENGTHS, subject.length) if accepts(encoder, n))
    lengths = range(1, longest)
    shortest = 1 + bisect_left(lengths, True, key=lambda n: accepts(encoder, n))
    for num_samples in {n for n in LENGTHS if shortest < n < longest} | {shortest, longest}:
        num_frames = encoder.num_frames(num_samples)
        where = f"a segment of {num_samples} samples"
        expect(
            type(num_frames) is int and num_frames > 0,
            f"{where}: num_frames is {num_frames!r}; it must be a positive int",
        )
        frames = encoder(torch.randn(2, num_samples) / 10)
        got, declared = list(frames.shape), [2, num_frames, encoder.out_channels]
        expect(
            got == declared,
            f"{where}: declared {declared} (segments, num_frames, out_channels), got {got}",
        )
        expect(frames.dtype == torch.float32, f"{where}: frames are {frames.dtype}, not float32")


@torch.no_grad()
def fusion_sizes(subject: PluginUnderTest) -> None:
    """The fused vector, the projections and the attention weights have the declared sizes."""
    fusion, frames = subject.build().eval(), subject.inputs()
    got, declared = list(subject.run(fusion, frames).shape), [ROWS, fusion.out_features]
    expect(got == declared, f"declared {declared} (segments, out_features), got {got}")
    expect(
        not fusion.gives_scores or got[1] == NUM_CLASSES,
        f"it gives the scores of {got[1]} classes, but num_classes is {NUM_CLASSES}",
    )
    vector = subject.run(fusion.back_end_vector, frames)
    expect(
        vector.dim() == 2 and len(vector) == ROWS,
        f"back_end_vector is {list(vector.shape)}, not [{ROWS}, features]",
    )
    projections, weights = fusion.projections(frames), fusion.attention_weights(frames)
    for what, tensors in (("projections", projections), ("attention_weights", weights)):
        unknown = [name for name in tensors if name not in subject.specs]
        expect(
            not unknown,
            f"{what} has the names {first_few(unknown)}; the modalities are {[*subject.specs]}",
        )
    for name, vector in projections.items():
        expect(
            vector.dim() == 2 and len(vector) == ROWS,
            f"the projection of {name!r} is {list(vector.shape)}, not [{ROWS}, features]",
        )
    for name, weight in weights.items():
        got, declared = list(weight.shape), [ROWS, subject.specs[name].num_frames]
        expect(got == declared, f"the attention weights of {name!r} are {got}, not {declared}")


@torch.no_grad()
def finite(subject: PluginUnderTest) -> None:
    """Extreme input gives finite output, in training and evaluation."""
    module = subject.build()
    for name, inputs in subject.extremes().items():
        for mode in (False, True):
            output = subject.run(module.train(mode), inputs)
            expect_finite(output, f"{name}, in {'training' if mode else 'evaluation'}")


@torch.no_grad()
def batch(subject: PluginUnderTest) -> None:
    """A segment's output does not depend on the other segments in the batch."""
    module = subject.build().eval()
    inputs = map_tensors(subject.inputs(), _made_unequal)
    together = subject.run(module, inputs)
    for row in range(ROWS):
        alone = subject.run(module, map_tensors(inputs, itemgetter(slice(row, row + 1))))
        what = f"alone or in a batch of {ROWS}, the output of segment {row} differs"
        expect_same(together[row : row + 1], alone, what)


@torch.no_grad()
def deterministic(subject: PluginUnderTest) -> None:
    """Evaluation draws nothing at random."""
    module, inputs = subject.build().eval(), subject.inputs()
    outputs = []
    for seed in (1, 2):
        np.random.seed(seed)
        random.seed(seed)
        outputs.append(subject.run(module, inputs, seed))
    expect_same(outputs[1], outputs[0], "run twice on the same input, the output differs", 0.0)


def gradients(subject: PluginUnderTest) -> None:
    """Gradients reach every trainable parameter (of a fusion, every modality), and are finite."""
    module = subject.build().train()
    for _ in range(PASSES):
        inputs = subject.inputs()
        if not subject.is_encoder:
            inputs = map_tensors(inputs, Tensor.requires_grad_)
        _backward(subject.run_training(module, inputs))
    missing = [n for n, p in module.named_parameters() if p.requires_grad and p.grad is None]
    expect(not missing, f"no gradient reaches {first_few(missing)}; freeze those not trained")
    if not subject.is_encoder:
        unused = [name for name, frames in inputs.items() if frames.grad is None]
        expect(not unused, f"no gradient reaches the frames of {first_few(unused)}")
    for name, inputs in {"noise": subject.inputs(), **subject.extremes()}.items():
        module.zero_grad()
        output = subject.run_training(module, inputs)
        if not output.isfinite().all():
            continue  # the check "finite" reports this
        _backward(output)
        for parameter, value in module.named_parameters():
            if value.grad is not None:
                expect_finite(value.grad, f"{name}: the gradient of {parameter}")


def state(subject: PluginUnderTest) -> None:
    """Everything that affects the output is in the state, which is saved and loaded strictly."""
    module, other = subject.build(seed=1), subject.build(seed=2).eval()
    with torch.no_grad():
        for _ in range(2):  # so that running means have changed
            subject.run(module.train(), subject.inputs())
        other.load_state_dict(saved(module), strict=True)
        got, wanted = (subject.run(m.eval(), subject.inputs()) for m in (other, module))
    expect_same(got, wanted, "loaded into another instance, the state gives an output that differs")


def saved(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module, saved and loaded again."""
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def _made_unequal(tensor: Tensor) -> Tensor:
    """The first segment unchanged, the second multiplied by 10, the last divided by 10."""
    scales = torch.tensor([1.0, 10.0, 0.1]).view(-1, *[1] * (tensor.dim() - 1))
    return tensor * scales


def _backward(output: Tensor) -> None:
    if output.requires_grad:
        (output * torch.randn_like(output)).sum().backward()
