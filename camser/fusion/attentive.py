"""Attentive pooling: each modality weighs its own frames."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from camser.encoders.base import FrameSpec
from camser.fusion.base import Fusion
from camser.fusion.pooling import PooledProjection, Projection


class AttentivePooling(nn.Module):
    """The weighted mean of a modality's frames, projected.

    Arguments
    ---------
    spec : FrameSpec
        The modality's frames.
    out_features : int
        Size of the part.
    dropout : float
        Before the projection.
    statistics : bool
        Whether the weighted deviation stands beside the mean.
    """

    def __init__(
        self, spec: FrameSpec, out_features: int, dropout: float, statistics: bool = False
    ) -> None:
        super().__init__()
        self.statistics = statistics
        # Without a bias: softmax takes no notice of what is added to all scores.
        self.score = nn.Linear(spec.channels, 1, bias=False)
        # All frames begin with the same weight, however large the features of an encoder are.
        nn.init.zeros_(self.score.weight)
        size = (2 if statistics else 1) * spec.channels
        self.project = Projection(size, out_features, dropout, spec.standardise)

    def weigh(self, frames: Tensor) -> Tensor:
        """[segments, frames, channels] -> [segments, frames], each row's sum 1"""
        return self.score(frames).squeeze(2).softmax(dim=1)

    def forward(self, frames: Tensor) -> Tensor:
        """[segments, frames, channels] -> [segments, out_features]"""
        weights = self.weigh(frames)
        pooled = torch.einsum("st,stc->sc", weights, frames)
        if self.statistics:
            squares = (frames - pooled.unsqueeze(1)).square()
            # The square root has no finite gradient at 0, which silence reaches; half precision
            # would take less than this for 0.
            deviation = torch.einsum("st,stc->sc", weights, squares).add(1e-6).sqrt()
            pooled = torch.cat([pooled, deviation], dim=1)
        return self.project(pooled)


class Attentive(Fusion):
    """Each modality's frames weighed by attention of its own, then all concatenated.

    The local attention of Mirsamadi et al., ICASSP 2017: with frames y_t and a learned vector u,

        a_t = softmax over t of (u · y_t)
        z = sum over t of a_t y_t

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        What each encoder gives.
    statistics : bool
        Whether the weighted deviation of the frames stands beside their mean, as in attentive
        statistics pooling (Okabe et al., Interspeech 2018).
    part_size : int
        Features of a modality's part.
    dropout : float
        Before each projection.
    pooling : mapping of str to str, optional
        Modalities that are pooled like that instead of weighed, e.g. {mfcc: flatten}.

    Raises
    ------
    ValueError
        If pooling names no modality, or leaves none to weigh.

    Example
    -------
    >>> specs = {"a": FrameSpec(5, 4, "mean"), "b": FrameSpec(3, 2, "flatten")}
    >>> fusion = Attentive(specs, part_size=8)
    >>> frames = {"a": torch.rand(2, 5, 4), "b": torch.rand(2, 3, 2)}
    >>> fusion(frames).shape, {n: w.shape for n, w in fusion.attention_weights(frames).items()}
    (torch.Size([2, 16]), {'a': torch.Size([2, 5]), 'b': torch.Size([2, 3])})
    """

    compiled_submodules = ("",)

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        statistics: bool = False,
        part_size: int = 128,
        dropout: float = 0.1,
        pooling: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(specs)
        pooling = pooling or {}
        specs = self.specs_with_pooling(pooling)
        if set(pooling) == set(specs):
            raise ValueError(
                f"pooling names every modality ({', '.join(specs)}), so no frame would be "
                f"weighed; leave one out, or take concat"
            )
        self.pooled = nn.ModuleDict(
            {
                name: PooledProjection(spec, part_size, dropout)
                if name in pooling
                else AttentivePooling(spec, part_size, dropout, statistics)
                for name, spec in specs.items()
            }
        )
        self.out_features = part_size * len(specs)

    def projections(self, frames: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See ``Fusion.projections``."""
        return {name: part(frames[name]) for name, part in self.pooled.items()}

    def attention_weights(self, frames: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The frame weights of each modality that is not merely pooled, [segments, frames]."""
        return {
            name: part.weigh(frames[name])
            for name, part in self.pooled.items()
            if isinstance(part, AttentivePooling)
        }
