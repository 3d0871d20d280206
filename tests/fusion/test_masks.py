"""Every fusion with every pooling: what is fused is the real frames alone."""

import pytest
import torch

from camser.encoders.base import FrameSpec
from camser.encoders.masks import length_mask
from camser.fusion.base import Fusion
from camser.fusion.over_frames import POOLINGS
from camser.fusion.pooling import PooledProjection
from tests.fusion.test_fusion import FUSIONS, GUIDED, scattered

SPECS = {
    "mfcc": FrameSpec(6, 4, "mean"),
    "spectrogram": FrameSpec(3, 5, "mean", standardize=True),
    "wav2vec2": FrameSpec(7, 8, "mean"),
}
REAL = {"mfcc": [6, 2, 1], "spectrogram": [3, 3, 1], "wav2vec2": [7, 3, 1]}
MASKS = {n: length_mask(torch.tensor(REAL[n]), s.num_frames) for n, s in SPECS.items()}
MASKABLE = [name for name in POOLINGS if name != "flatten"]
FORMS = {
    **{k: v for k, v in FUSIONS.items() if "pooled" not in k},
    "co_attention softmax": (FUSIONS["co_attention"][0], {**GUIDED, "activation": "softmax"}),
    "attentive in part": (FUSIONS["attentive"][0], {"pooling": ["mfcc"]}),
}


def build(name, pooling):
    cls, params = FORMS[name]
    params = dict(params)
    if isinstance(params.get("pooling"), list):
        params["pooling"] = dict.fromkeys(params["pooling"], pooling)
    specs = {modality: spec._replace(pooling=pooling) for modality, spec in SPECS.items()}
    return scattered(cls(specs, **params, projection_size=9))


def frames_with(padding):
    drawn = {n: torch.randn(3, s.num_frames, s.channels) for n, s in SPECS.items()}
    return {n: torch.where(MASKS[n].unsqueeze(2), x, padding) for n, x in drawn.items()}


def everything(fusion, frames, *masks):
    named = {f"p.{n}": v for n, v in fusion.projections(frames, *masks).items()}
    named |= {f"w.{n}": v for n, v in fusion.attention_weights(frames, *masks).items()}
    return {"fused": fusion(frames, *masks), **named}


@pytest.mark.parametrize("pooling", MASKABLE)
@pytest.mark.parametrize("name", FORMS)
def test_masked_frames_change_nothing(name, pooling):
    fusion, frames = build(name, pooling), frames_with(1e3)
    found = everything(fusion, frames, MASKS)
    for row in range(3):
        alone = {n: x[row : row + 1, : REAL[n][row]] for n, x in frames.items()}
        for key, value in everything(fusion, alone).items():  # without masks
            size = value.shape[1]
            assert torch.allclose(found[key][row, :size], value[0], atol=1e-4), key
            assert not found[key][row, size:].any()  # the weights of padding


@pytest.mark.parametrize("pooling", MASKABLE)
@pytest.mark.parametrize("name", FORMS)
def test_masked_frames_get_no_gradient_and_all_others_a_finite_one(name, pooling):
    fusion, frames = build(name, pooling), frames_with(0.0)
    for x in frames.values():
        x.requires_grad = True
    fusion(frames, MASKS).square().sum().backward()
    for n, x in frames.items():
        assert x.grad.isfinite().all() and not x.grad[~MASKS[n]].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("pooling", MASKABLE)
def test_in_half_precision_the_sum_of_many_frames_stays_finite(pooling, dtype):
    x = torch.full((2, 1500, 3), 300.0, dtype=dtype)
    pooled = POOLINGS[pooling](x, length_mask(torch.tensor([1500, 900]), 1500))
    assert pooled.dtype == dtype and torch.equal(pooled[:, :3], x[:, 0])


def test_flattened_frames_cannot_be_masked_and_the_error_says_whose():
    flat = {**SPECS, "mfcc": FrameSpec(6, 4, "flatten")}
    for cls, params in FUSIONS.values():
        with pytest.raises(ValueError, match=r"mfcc: the pooling flatten cannot mask padding"):
            cls(flat, **{**params, "pooling": {"mfcc": "flatten"}}).check_masks_padding()
    build("concat", "mean").check_masks_padding()


class Before(Fusion):
    """Written before there were masks."""

    def __init__(self, specs):
        super().__init__(specs)
        self.pooled = torch.nn.ModuleDict(
            {n: PooledProjection(s, 4, 0.0) for n, s in specs.items()}
        )
        self.out_features = 4 * len(specs)

    def projections(self, frames):
        return {name: project(frames[name]) for name, project in self.pooled.items()}


class Inheriting(FUSIONS["gated"][0]):
    def projections(self, frames):
        return super().projections(frames)


@pytest.mark.parametrize("cls", [Before, Inheriting])
def test_a_fusion_without_masks_works_as_before_and_says_that_it_has_none(cls):
    fusion = cls(SPECS)
    assert fusion(frames_with(0.0)).shape == (3, fusion.out_features)
    expected = f"fusion {cls.__name__} cannot mask padding: its projections must take masks; give"
    with pytest.raises(ValueError, match=expected):
        fusion.check_masks_padding()
