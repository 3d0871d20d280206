"""The check of fusions that bring a loss of their own."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn

from camser.testing.assertions import expect, expect_finite, expect_same
from camser.testing.plugin_under_test import ROWS, Inputs, PluginUnderTest, map_tensors

STEPS, RATE = 30, 1e-2  # of training on one batch


def loss(subject: PluginUnderTest) -> None:
    """A loss of its own is finite, is of each segment alone, and falls when it is trained on."""
    fusion = subject.build().eval()
    if not fusion.has_loss:
        return
    with torch.no_grad():
        _values(subject, fusion)
    before = _measures(subject, fusion)
    optimizer = torch.optim.Adam([p for p in fusion.parameters() if p.requires_grad], RATE)
    for step in range(STEPS):
        optimizer.zero_grad()
        # With one seed, dropout would leave the same units out in all steps.
        _losses(subject, fusion.train(), subject.inputs(), seed=step).mean().backward()
        optimizer.step()
    for name, value in _measures(subject, fusion.eval()).items():
        expect(
            value <= before[name],
            f"after {STEPS} steps on its own loss and one batch, {name} is {value:.4g}; it was "
            f"{before[name]:.4g}",
        )


def _values(subject: PluginUnderTest, fusion: Any) -> None:
    inputs = subject.inputs()
    losses = _losses(subject, fusion, inputs)
    got = [list(losses.shape), losses.dtype]
    expect(got == [[ROWS], torch.float32], f"it is {got}, not {[[ROWS], torch.float32]}")
    for row in range(ROWS):
        one = slice(row, row + 1)
        alone = _losses(subject, fusion, map_tensors(inputs, itemgetter(one)), one)
        expect_same(losses[one], alone, f"alone or in a batch, the loss of segment {row} differs")
    for name, extremes in {"noise": inputs, **subject.extremes()}.items():
        for mode in (False, True):
            where = f"{name}, in {'training' if mode else 'evaluation'}: the loss"
            expect_finite(_losses(subject, fusion.train(mode), extremes), where)
    fusion.eval()
    with torch.autocast("cpu", torch.bfloat16):
        lowered = _losses(subject, fusion, inputs)
    expect_finite(lowered, "the loss under autocast")
    expect(lowered.dtype == torch.float32, f"under autocast the loss is {lowered.dtype}")


def _losses(
    subject: PluginUnderTest, fusion: Any, inputs: Inputs, rows: slice = slice(ROWS), seed: int = 0
) -> Tensor:
    labels = subject.labels[rows]
    return subject.run(lambda frames: fusion.loss(frames, labels), inputs, seed)


@torch.no_grad()
def _measures(subject: PluginUnderTest, fusion: Any) -> dict[str, float]:
    """Means over the segments, by their names in messages."""
    inputs = subject.inputs()
    found = {"it": float(_losses(subject, fusion, inputs).mean())}
    if fusion.gives_scores:
        scores = subject.run(fusion, inputs)
        cross_entropy = nn.functional.cross_entropy(scores, subject.labels)
        found["the cross-entropy of its scores"] = float(cross_entropy)
    return found
