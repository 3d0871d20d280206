"""Low-rank fusion: every product of features of all modalities, through a few factors of each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor, nn

from camser.encoders.base import FrameSpec
from camser.fusion.base import Fusion
from camser.fusion.pooling import PooledProjection


class LowRank(Fusion):
    """Low-rank multimodal fusion (Liu et al., ACL 2018), for two modalities or more.

    A linear layer over the outer product of all modalities' vectors, each with a 1 appended so
    that products of some of them are there too, but with a weight tensor of low rank: the outer
    product is never computed. With z_m the part of modality m,

        h = sum over ranks r of the elementwise product over m of (W_m^r [z_m, 1])

    Three choices keep products of modalities in range: parts are bounded by tanh; the weight of
    each appended 1 begins at 1, so the product begins near a sum in which no modality silences
    another; and the sum over ranks is divided by their number.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        What each encoder gives.
    rank : int
        Factors of each modality.
    part_size : int
        Features of a modality's part, and of the fused vector.
    dropout : float
        Before each projection.
    pooling : mapping of str to str, optional
        By modality, in place of the encoder's own.

    Raises
    ------
    ValueError
        If there is one modality alone, rank is no positive number, or pooling names no modality.

    Example
    -------
    >>> specs = {"a": FrameSpec(5, 4, "mean"), "b": FrameSpec(3, 2, "flatten")}
    >>> fusion = LowRank(specs, rank=2, part_size=8)
    >>> fusion({"a": torch.rand(2, 5, 4), "b": torch.rand(2, 3, 2)}).shape
    torch.Size([2, 8])
    """

    compiled_submodules = ("",)

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        rank: int = 4,
        part_size: int = 128,
        dropout: float = 0.1,
        pooling: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(specs)
        if len(specs) < 2:
            raise ValueError(
                f"it multiplies modalities, and there is {', '.join(specs)} alone; name another "
                f"modality, or take another fusion, e.g. concat"
            )
        if not isinstance(rank, int) or rank < 1:
            raise ValueError(f"rank is {rank!r}; it must be a whole number, 1 or more")
        specs = self.specs_with_pooling(pooling or {})
        self.pooled = nn.ModuleDict(
            {
                name: PooledProjection(spec, part_size, dropout, nn.Tanh)
                for name, spec in specs.items()
            }
        )
        factors = {name: nn.Linear(part_size, rank * part_size) for name in specs}
        for factor in factors.values():
            nn.init.ones_(factor.bias)
        self.factors = nn.ModuleDict(factors)
        self.rank, self.out_features = rank, part_size

    def forward(self, frames: Mapping[str, Tensor]) -> Tensor:
        """Frames [segments, frames, channels] by modality -> [segments, out_features]"""
        factors = [self.factors[name](part) for name, part in self.projections(frames).items()]
        # Not Tensor.prod: its gradient looks for zeros, which waits for the device.
        product = reduce(torch.mul, factors)
        return product.unflatten(1, (self.rank, self.out_features)).mean(dim=1)

    def projections(self, frames: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See ``Fusion.projections``."""
        return {name: part(frames[name]) for name, part in self.pooled.items()}
