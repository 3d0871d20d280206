"""Attentive pooling: each modality has attention weights over its own frames."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from camser.encoders.base import FrameSpec
from camser.fusion.base import Frames, Fusion, Masks
from camser.fusion.over_frames import mask_scores
from camser.fusion.pooling import (
    PooledProjection,
    Projection,
    RunningStandardization,
    project_each,
)


class AttentivePooling(nn.Module):
    """The weighted mean of a modality's frames, and its projection.

    Arguments
    ---------
    spec : FrameSpec
        The modality's frames.
    out_features : int or None
        Size of the projection; None: there is none.
    dropout : float
        Dropout before the projection.
    statistics : bool
        Whether the weighted deviation is appended to the mean.

    Attributes
    ----------
    out_features : int
        Size of the vector.
    """

    def __init__(
        self, spec: FrameSpec, out_features: int | None, dropout: float, statistics: bool = False
    ) -> None:
        super().__init__()
        self.statistics = statistics
        # No bias: softmax does not change if a constant is added to all scores.
        self.score = nn.Linear(spec.channels, 1, bias=False)
        # All frames start with the same weight, even if the encoder's features are large.
        nn.init.zeros_(self.score.weight)
        size = (2 if statistics else 1) * spec.channels
        self.out_features = size if out_features is None else out_features
        if out_features is None:
            scaling = [RunningStandardization(size)] if spec.standardize else []
            self.project: nn.Sequential = nn.Sequential(*scaling)
        else:
            self.project = Projection(size, out_features, dropout, spec.standardize)

    def weigh(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """[segments, frames, channels] -> [segments, frames]; each row sums to 1"""
        return mask_scores(self.score(frames).squeeze(2), mask).softmax(dim=1)

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """[segments, frames, channels], and [segments, frames] -> [segments, out_features]"""
        weights = self.weigh(frames, mask)
        pooled = torch.einsum("st,stc->sc", weights, frames)
        if self.statistics:
            pooled = torch.cat([pooled, self._deviation(frames, weights, pooled)], dim=1)
        return self.project(pooled)

    @staticmethod
    def _deviation(frames: Tensor, weights: Tensor, mean: Tensor) -> Tensor:
        """The weighted deviation of the frames from their mean, [segments, channels]"""
        # In half precision, squares beyond 256 overflow; autocast would compute an einsum in it.
        wide = frames.to(torch.promote_types(frames.dtype, torch.float32))
        squares = (wide - mean.unsqueeze(1)).square()
        variance = (weights.unsqueeze(2) * squares).sum(dim=1)
        # Silence has variance 0, where the square root has no finite gradient.
        return variance.add(1e-6).sqrt().to(mean.dtype)


class Attentive(Fusion):
    """Attention weights for the frames of each modality, then concatenation.

    The local attention of Mirsamadi et al., ICASSP 2017: with frames y_t and a learned vector u,

        a_t = softmax over t of (u · y_t)
        z = sum over t of a_t y_t

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of each encoder, by modality.
    statistics : bool
        Whether the weighted deviation of the frames is appended to their mean, as in attentive
        statistics pooling (Okabe et al., Interspeech 2018).
    projection_size : int or None
        Features of a modality's projection, where its ``FrameSpec`` has no other. None: there are
        no projections. With ``hidden_sizes: []``, the head is then linear in the weighted means.
    dropout : float
        Dropout before each projection.
    pooling : mapping of str to str, optional
        Modalities with this pooling instead of attention, e.g. {mfcc: flatten}.

    Raises
    ------
    ValueError
        If pooling names an unknown modality, or all modalities.

    Example
    -------
    >>> specs = {"a": FrameSpec(5, 4, "mean"), "b": FrameSpec(3, 2, "flatten")}
    >>> fusion = Attentive(specs, projection_size=8)
    >>> frames = {"a": torch.rand(2, 5, 4), "b": torch.rand(2, 3, 2)}
    >>> fusion(frames).shape, {n: w.shape for n, w in fusion.attention_weights(frames).items()}
    (torch.Size([2, 16]), {'a': torch.Size([2, 5]), 'b': torch.Size([2, 3])})
    """

    compiled_submodules = ("",)

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        statistics: bool = False,
        projection_size: int | None = 128,
        dropout: float = 0.1,
        pooling: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(specs)
        pooling = pooling or {}
        specs = self.specs_with_pooling(pooling)
        if set(pooling) == set(specs):
            raise ValueError(
                f"pooling names every modality ({', '.join(specs)}), so no frame would get "
                f"an attention weight; leave one out, or use concat"
            )
        sizes = self.projection_sizes(projection_size)
        pooled = {
            name: PooledProjection(spec, sizes[name], dropout)
            if name in pooling
            else AttentivePooling(spec, sizes[name], dropout, statistics)
            for name, spec in specs.items()
        }
        self.pooled = nn.ModuleDict(pooled)
        self.out_features = sum(module.out_features for module in pooled.values())

    def projections(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """See ``Fusion.projections``."""
        return project_each(self.pooled, frames, masks)

    def attention_weights(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """The weights [segments, frames] of each modality that uses attention."""
        return {
            name: pooling.weigh(frames[name], masks[name] if masks else None)
            for name, pooling in self.pooled.items()
            if isinstance(pooling, AttentivePooling)
        }
