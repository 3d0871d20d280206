"""Several attention heads over the frames: the pooling of TSB, Wu et al., ICASSP 2021."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from camser.encoders import FrameSpec
from camser.fusion import Fusion
from camser.fusion.base import Frames, Masks
from camser.fusion.over_frames import mask_scores
from camser.fusion.pooling import project_each


class SelfAttentive(Fusion):
    """Structured self-attentive pooling of each modality, after the authors' code.

    With frames H [T, C] and h heads,

        A = softmax over T of tanh(H W_1) W_2     W_1 [C, C], W_2 [C, h]
        E = A^T H

    and dropout, a linear layer on all heads, ReLU. The paper adds |A^T A - L|^2 to the loss, where
    the diagonal matrix L keeps three of five heads narrow and two broad [notes]; that is left out.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of each encoder, by modality.
    num_heads : int
        Heads of each modality.
    projection_size : int
        Features of a modality, where its ``FrameSpec`` has no other.
    dropout : float
        Before the linear layer.

    Example
    -------
    >>> import torch
    >>> fusion = SelfAttentive({"a": FrameSpec(9, 4, "mean")}, projection_size=8)
    >>> frames = {"a": torch.rand(2, 9, 4)}
    >>> fusion(frames).shape, fusion.attention_weights(frames)["a"].shape
    (torch.Size([2, 8]), torch.Size([2, 9]))
    """

    compiled_submodules = ("",)

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        num_heads: int = 5,
        projection_size: int = 128,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(specs)
        sizes = self.projection_sizes(projection_size)
        self.pooled: Any = nn.ModuleDict(
            {
                name: HeadPooling(spec.channels, num_heads, sizes[name], dropout)
                for name, spec in specs.items()
            }
        )
        self.out_features = sum(sizes.values())

    def projections(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """See ``Fusion.projections``."""
        return project_each(self.pooled, frames, masks)

    def attention_weights(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """The mean over the heads, [segments, frames] by modality."""
        return {
            name: pooling.weigh(frames[name], masks[name] if masks else None).mean(dim=1)
            for name, pooling in self.pooled.items()
        }


class HeadPooling(nn.Module):
    """The pooling of one modality, see ``SelfAttentive``.

    Arguments
    ---------
    channels : int
        Of a frame.
    num_heads : int
        Heads.
    out_features : int
        Features of the result.
    dropout : float
        Before the linear layer.
    """

    def __init__(self, channels: int, num_heads: int, out_features: int, dropout: float) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(channels, channels, bias=False),
            nn.Tanh(),
            nn.Linear(channels, num_heads, bias=False),
        )
        self.project = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(num_heads * channels, out_features), nn.ReLU()
        )

    def weigh(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """[segments, frames, channels] -> [segments, heads, frames]; each row sums to 1"""
        mask = None if mask is None else mask.unsqueeze(1)
        return mask_scores(self.score(frames).mT, mask).softmax(dim=2)

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """[segments, frames, channels], and [segments, frames] -> [segments, out_features]"""
        return self.project((self.weigh(frames, mask) @ frames).flatten(1))
