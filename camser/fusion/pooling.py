"""Pooling and projection: from the frames of a modality to one vector."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from camser.encoders.base import FrameSpec
from camser.fusion.base import Fusion
from camser.registry import did_you_mean


def flatten(frames: Tensor) -> Tensor:
    """[segments, frames, channels] -> [segments, frames * channels]"""
    return frames.flatten(1)


def mean(frames: Tensor) -> Tensor:
    """[segments, frames, channels] -> [segments, channels]"""
    return frames.mean(dim=1)


def last(frames: Tensor) -> Tensor:
    """The last frame: [segments, frames, channels] -> [segments, channels]"""
    return frames[:, -1]


def statistics(frames: Tensor) -> Tensor:
    """Mean and deviation over frames: [segments, frames, channels] -> [segments, 2 * channels]"""
    # Silence has variance 0, where the square root has no finite gradient. Half precision rounds
    # 1e-8 to 0, and squares beyond 256 overflow. onnxscript takes 1e-8 for 0 and removes it.
    wide = frames.to(torch.promote_types(frames.dtype, torch.float32))
    variance = wide.var(dim=1, unbiased=False)
    deviation = variance.add(1.0001e-8).sqrt().to(frames.dtype)
    return torch.cat([frames.mean(dim=1), deviation], dim=1)


POOLINGS = {"flatten": flatten, "mean": mean, "last": last, "statistics": statistics}


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
        if type(out_features) is not int or out_features < 1:
            raise ValueError(
                f"projection_size is {out_features!r}; it must be a whole number, 1 or more"
            )
        scaling = [RunningStandardization(in_features)] if standardize else []
        super().__init__(
            *scaling, nn.Dropout(dropout), nn.Linear(in_features, out_features), activation()
        )


class PooledProjection(nn.Module):
    """Pooling, then projection: a modality's projection in the fused vector.

    Arguments
    ---------
    spec : FrameSpec
        The modality's frames and their pooling.
    out_features : int
        Size of the projection.
    dropout : float
        Dropout between pooling and projection.
    activation : type of torch.nn.Module
        See ``Projection``.

    Raises
    ------
    ValueError
        If the pooling is unknown.

    Example
    -------
    >>> projection = PooledProjection(FrameSpec(10, 4, "statistics"), 3, 0.1)
    >>> projection(torch.rand(2, 10, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        spec: FrameSpec,
        out_features: int,
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
        factor = {"flatten": spec.num_frames, "statistics": 2}.get(spec.pooling, 1)
        size = factor * spec.channels
        self.project = Projection(size, out_features, dropout, spec.standardize, activation)

    def forward(self, frames: Tensor) -> Tensor:
        """[segments, frames, channels] -> [segments, out_features]"""
        return self.project(self.pool(frames))


class PooledFusion(Fusion):
    """A fusion that pools and projects each modality by itself, then concatenates all.

    A subclass that defines ``forward`` sets ``out_features`` too.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of each encoder, by modality.
    projection_size : int
        Features of a modality's projection, where its ``FrameSpec`` has no other.
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
        projection_size: int = 128,
        dropout: float = 0.1,
        pooling: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(specs)
        sizes = self.projection_sizes(projection_size)
        pooled = {
            name: PooledProjection(spec, sizes[name], dropout, self.activation)
            for name, spec in self.specs_with_pooling(pooling or {}).items()
        }
        self.pooled = nn.ModuleDict(pooled)
        self.out_features = sum(sizes.values())

    def projections(self, frames: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See ``Fusion.projections``."""
        return {name: project(frames[name]) for name, project in self.pooled.items()}


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

    def forward(self, x: Tensor) -> Tensor:
        """[items, features] -> the same shape"""
        if self.training:
            self._update(x.detach().float())
        return (x - self.mean) / (self.variance + 1e-5).sqrt()

    @torch.no_grad()
    def _update(self, x: Tensor) -> None:
        num_batches = self.num_batches + 1
        share = 1 / num_batches.clamp(max=self.memory)
        mean = self.mean.lerp(x.mean(dim=0), share)
        variance = self.variance.lerp((x - mean).square().mean(dim=0), share)
        # A NaN would stay forever. A check on the host would wait for the device.
        is_finite = (mean.isfinite() & variance.isfinite()).all()
        self.num_batches.copy_(torch.where(is_finite, num_batches, self.num_batches))
        self.mean.copy_(torch.where(is_finite, mean, self.mean))
        self.variance.copy_(torch.where(is_finite, variance, self.variance))
