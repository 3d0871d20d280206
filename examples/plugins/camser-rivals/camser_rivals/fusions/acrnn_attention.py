"""Attention over the frames of 3-D ACRNN, Chen et al., IEEE Signal Processing Letters 2018."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from camser.encoders import FrameSpec
from camser.fusion import Fusion
from camser.fusion.attentive import AttentivePooling
from camser.fusion.base import Frames, Masks
from camser.fusion.pooling import project_each
from camser_rivals.encoders.acrnn import SLOPE
from camser_rivals.layers.batch_norm import BatchNorm


class ACRNNAttention(Fusion):
    """Attention pooling of each modality, then a linear layer with batch normalization.

        a_t = softmax over t of (w · h_t)
        c = sum over t of a_t h_t

    and 64 features of c, normalized over the batch; leaky ReLU follows [code]. ``hidden_sizes`` is
    empty: the head is the paper's softmax layer.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of each encoder, by modality.
    projection_size : int
        Features of a modality, where its ``FrameSpec`` has no other.

    Example
    -------
    >>> import torch
    >>> fusion = ACRNNAttention({"a": FrameSpec(9, 4, "mean")}, projection_size=8)
    >>> frames = {"a": torch.rand(2, 9, 4)}
    >>> fusion(frames).shape, fusion.attention_weights(frames)["a"].shape
    (torch.Size([2, 8]), torch.Size([2, 9]))
    """

    def __init__(self, specs: Mapping[str, FrameSpec], projection_size: int = 64) -> None:
        super().__init__(specs)
        sizes = self.projection_sizes(projection_size)
        pooled = {name: AttentivePooling(spec, None, 0.0) for name, spec in specs.items()}
        self.pooled: Any = nn.ModuleDict(pooled)
        self.project = nn.ModuleDict()
        for name, size in sizes.items():
            linear = nn.Linear(pooled[name].out_features, size)
            self.project[name] = nn.Sequential(linear, BatchNorm(size), nn.LeakyReLU(SLOPE))
        self.out_features = sum(sizes.values())

    def projections(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """See ``Fusion.projections``."""
        pooled = project_each(self.pooled, frames, masks)
        return {name: project(pooled[name]) for name, project in self.project.items()}

    def attention_weights(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """The weights, [segments, frames] by modality."""
        return {
            name: pooling.weigh(frames[name], masks[name] if masks else None)
            for name, pooling in self.pooled.items()
        }
