"""The check of plugins that can be used where padding is masked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from camser.encoders.base import Encoder
from camser.encoders.masks import length_mask, zero_padding
from camser.fusion.base import Fusion
from camser.testing.assertions import expect, expect_same
from camser.testing.checks_device import check_on_device
from camser.testing.plugin_under_test import ROWS, PluginUnderTest, accepts

SHARES = (1.0, 0.6, 0.35)  # of a segment that is real, one for each row


@torch.no_grad()
def padding(subject: PluginUnderTest) -> None:
    """If it can mask padding, silence behind the real samples changes nothing."""
    (_encoder if subject.is_encoder else _fusion)(subject)


def _encoder(subject: PluginUnderTest) -> None:
    encoder, length = subject.build().eval(), subject.length
    if not encoder.masks_padding:
        return
    wanted = [round(share * length) for share in SHARES]
    lengths = torch.tensor([n if accepts(encoder, n) else length for n in wanted])
    segments = zero_padding(subject.inputs(), lengths)
    outputs = {"silence behind": subject.run(lambda x: encoder(x, lengths), segments)}
    if accepts(encoder, length + length // 3):
        longer = nn.functional.pad(segments, (0, length // 3))
        outputs["more silence behind"] = subject.run(lambda x: encoder(x, lengths), longer)
    check_on_device(subject, "meta", outputs["silence behind"], lengths)
    if encoder.is_cacheable:
        cached = subject.run(lambda x: encoder.cacheable_output(x, lengths), segments)
        frames = subject.run(lambda x: encoder.from_cache(x, lengths), cached)
        outputs["a cache, and silence behind"] = frames
    for row, num_samples in enumerate(lengths.tolist()):
        count, own = encoder.num_frames(num_samples), lengths[row : row + 1]
        segment = segments[row : row + 1, :num_samples]
        alone = subject.run(lambda x, n=own: encoder(x, n), segment)
        _check_steps(encoder, segment, own)
        for name, frames in outputs.items():
            what = f"with {name} {num_samples} samples, frames differ from those of these alone:"
            expect_same(frames[row : row + 1, :count], alone, f"{what} they differ")


def _check_steps(encoder: Encoder, segment: Tensor, num_samples: Tensor) -> None:
    """Check that a segment's cacheable output has the declared steps: only these are stored."""
    if not encoder.is_cacheable:
        return
    shape = encoder.cacheable_output(segment, num_samples).shape
    got, declared = shape[encoder.cached_steps_dim], encoder.num_cached_steps(segment.shape[1])
    expect(
        got == declared,
        f"the cacheable output of {segment.shape[1]} samples has {got} steps; num_cached_steps "
        f"gives {declared}",
    )


def _fusion(subject: PluginUnderTest) -> None:
    specs = {name: spec._replace(pooling="mean") for name, spec in subject.specs.items()}
    subject = PluginUnderTest(subject.cls, specs, **subject.params)
    fusion = subject.build().eval()
    try:
        fusion.check_masks_padding()
    except ValueError:
        return
    counts = {
        name: torch.tensor([max(1, round(share * spec.num_frames)) for share in SHARES])
        for name, spec in specs.items()
    }
    masks = {name: length_mask(counts[name], spec.num_frames) for name, spec in specs.items()}
    frames = subject.inputs()
    labels = subject.labels
    wanted = _outputs(subject, fusion, frames, labels, masks)
    check_on_device(subject, "meta", wanted["the fused vectors"], masks)
    other = {n: torch.where(masks[n].unsqueeze(2), f, -9 * f) for n, f in frames.items()}
    for name, value in _outputs(subject, fusion, other, labels, masks).items():
        expect_same(value, wanted[name], f"with other frames as padding, {name} differ")
    for row in range(ROWS):
        own = {n: frames[n][row : row + 1, : counts[n][row]] for n in specs}
        real = {n: masks[n][row : row + 1, : counts[n][row]] for n in specs}
        label = labels[row : row + 1]
        for name, value in _outputs(subject, fusion, own, label, real).items():
            what = f"with as many frames as are real in segment {row}, {name} differ"
            expect_same(value, wanted[name][row : row + 1, : value.shape[1]], what)
            behind = wanted[name][row, value.shape[1] :]
            expect(not behind.any(), f"{name}: padding has a weight in segment {row}")


def _outputs(
    subject: PluginUnderTest,
    fusion: Fusion,
    frames: dict[str, Tensor],
    labels: Tensor,
    masks: dict[str, Tensor],
) -> dict[str, Tensor]:
    """What a fusion gives, each [segments, …], by its name in messages."""

    def run(method: str, *more: Tensor) -> Any:
        return subject.run(lambda inputs: getattr(fusion, method)(inputs, *more, masks), frames)

    losses = {"its own losses": run("loss", labels).unsqueeze(1)} if fusion.has_loss else {}
    return {
        "the fused vectors": run("forward"),
        "the vectors for a back end": run("back_end_vector"),
        **losses,
        **{f"the projections of {name!r}": v for name, v in run("projections").items()},
        **{f"the weights of {name!r}": v for name, v in run("attention_weights").items()},
    }
