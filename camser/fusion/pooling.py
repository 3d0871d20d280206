"""Pooling and projection: from the frames of a modality to one vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from camser.encoders.base import FrameSpec
from camser.encoders.masks import given
from camser.fusion.base import Frames, Fusion, Masks
from camser.fusion.centering import Centering
from camser.fusion.over_frames import POOLINGS
from camser.registry import did_you_mean


class Projection(nn.Sequential):
    """dropout -> linear -> activation: f_m and f_s of eqs. 1 and 2 of Zou et al., 2022.

    Arguments
    ---------
    in_features, out_features : int
        Sizes of the input and the output.
    dropout : float
        Dropout on the input.
    standardize : bool
        Whether the input is standardized first.
    activation : type of torch.nn.Module
        ReLU as in the paper, or another if a fusion needs bounded projections.

    Raises
    ------
    ValueError
        If ``out_features`` is not a whole number, 1 or more.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        dropout: float,
        standardize: bool = False,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        check_projection_size(out_features)
        scaling = [RunningStandardization(in_features)] if standardize else []
        super().__init__(
            *scaling, nn.Dropout(dropout), nn.Linear(in_features, out_features), activation()
        )


def check_projection_size(size: object) -> None:
    """Raise a ValueError unless it is a whole number, 1 or more."""
    if type(size) is not int or size < 1:
        raise ValueError(f"projection_size is {size!r}; it must be a whole number, 1 or more")


class PooledProjection(nn.Module):
    """Pooling, then projection: a modality's projection in the fused vector.

    Arguments
    ---------
    spec : FrameSpec
        The modality's frames and their pooling.
    out_features : int or None
        Size of the projection; None: there is none, and the pooled frames are only centered.
    dropout : float
        Dropout between pooling and projection.
    activation : type of torch.nn.Module
        See ``Projection``.

    Attributes
    ----------
    out_features : int
        Size of the vector.

    Raises
    ------
    ValueError
        If the pooling is unknown.

    Attributes
    ----------
    masks_padding : bool
        Whether padding can be masked, as in all poolings but "flatten".

    Example
    -------
    >>> projection = PooledProjection(FrameSpec(10, 4, "statistics"), 3, 0.1)
    >>> projection(torch.rand(2, 10, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        spec: FrameSpec,
        out_features: int | None,
        dropout: float,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        if spec.pooling not in POOLINGS:
            raise ValueError(
                f"no pooling {spec.pooling!r}; allowed: {', '.join(POOLINGS)}."
                f"{did_you_mean(spec.pooling, POOLINGS)}"
            )
        self.pool = POOLINGS[spec.pooling]
        self.masks_padding = spec.pooling != "flatten"
        factor = {"flatten": spec.num_frames, "statistics": 2}.get(spec.pooling, 1)
        size = factor * spec.channels
        self.out_features = size if out_features is None else out_features
        if out_features is None:
            scaling = [RunningStandardization(size)] if spec.standardize else []
            self.project: nn.Sequential = nn.Sequential(*scaling, Centering(size))
        else:
            self.project = Projection(size, out_features, dropout, spec.standardize, activation)

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """[segments, frames, channels], and [segments, frames] -> [segments, out_features]"""
        return self.project(self.pool(frames, *given(mask)))


def project_each(
    modules: nn.ModuleDict | Mapping[str, Any], frames: Frames, masks: Masks
) -> dict[str, Tensor]:
    """Each modality's frames through a module such as ``PooledProjection``, with their mask."""
    return {
        name: module(frames[name], *given(masks[name] if masks else None))
        for name, module in modules.items()
    }


class PooledFusion(Fusion):
    """A fusion that pools and projects each modality by itself, then concatenates all.

    A subclass that defines ``forward`` sets ``out_features`` too.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of each encoder, by modality.
    projection_size : int or None
        Features of a modality's projection, where its ``FrameSpec`` has no other; see
        ``PooledProjection``.
    dropout : float
        Dropout before each projection.
    pooling : mapping of str to str, optional
        By modality, replaces the encoder's own pooling.

    Attributes
    ----------
    activation : type of torch.nn.Module
        See ``Projection``.
    """

    activation: type[nn.Module] = nn.ReLU
    compiled_submodules = ("",)

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        projection_size: int | None = 128,
        dropout: float = 0.1,
        pooling: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(specs)
        sizes = self.projection_sizes(projection_size)
        pooled = {
            name: PooledProjection(spec, sizes[name], dropout, self.activation)
            for name, spec in self.specs_with_pooling(pooling or {}).items()
        }
        self.pooled: Any = nn.ModuleDict(pooled)
        self.out_features = sum(projection.out_features for projection in pooled.values())

    def projections(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """See ``Fusion.projections``."""
        return project_each(self.pooled, frames, masks)


class RunningStandardization(nn.Module):
    """Standardizes each feature with a running mean and deviation, estimated in training.

    The features of a pretrained encoder differ much in size. A small projection, trained on little
    data, uses only the largest ones. (If features are mostly zero, as in flattened convolutional
    maps, standardization would only amplify the rare nonzero ones.) Unlike in batch normalization,
    an item's result does not depend on the rest of the batch. A batch may have one item, and
    processes need no synchronization. A batch that is not finite does not change the estimates.

    Arguments
    ---------
    num_features : int
        Size of the vectors.
    memory : int
        Number of past batches that the estimates average over, once there are that many.

    Example
    -------
    >>> standardize = RunningStandardization(3)
    >>> _ = [standardize(5 + 2 * torch.randn(32, 3)) for _ in range(50)]
    >>> out = standardize.eval()(5 + 2 * torch.randn(1000, 3))
    >>> bool(out.mean().abs() < 0.2), bool((out.std() - 1).abs() < 0.2)
    (True, True)
    """

    mean: Tensor
    variance: Tensor
    num_batches: Tensor

    def __init__(self, num_features: int, memory: int = 100) -> None:
        super().__init__()
        self.memory = memory
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("variance", torch.ones(num_features))
        self.register_buffer("num_batches", torch.zeros(()))

    def forward(self, x: Tensor, is_real: Tensor | None = None) -> Tensor:
        """[items, features] -> the same shape

        With ``is_real`` [items], the estimates are those of the items where it is true.
        """
        if self.training:
            self._update(x.detach().float(), is_real)
        return (x - self.mean) / (self.variance + 1e-5).sqrt()

    @torch.no_grad()
    def _update(self, x: Tensor, is_real: Tensor | None) -> None:
        def average(values: Tensor) -> Tensor:
            if is_real is None:
                return values.mean(dim=0)
            return values.masked_fill(~is_real.unsqueeze(1), 0.0).sum(dim=0) / is_real.sum()

        num_batches = self.num_batches + 1
        share = 1 / num_batches.clamp(max=self.memory)
        mean = self.mean.lerp(average(x), share)
        variance = self.variance.lerp(average((x - mean).square()), share)
        # A NaN would stay forever. A check on the host would wait for the device.
        is_finite = (mean.isfinite() & variance.isfinite()).all()
        self.num_batches.copy_(torch.where(is_finite, num_batches, self.num_batches))
        self.mean.copy_(torch.where(is_finite, mean, self.mean))
        self.variance.copy_(torch.where(is_finite, variance, self.variance))
