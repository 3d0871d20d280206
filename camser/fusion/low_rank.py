"""Low-rank fusion: all products of the modalities' features, with a few factors per modality."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor, nn

from camser.encoders.base import FrameSpec
from camser.encoders.masks import given
from camser.fusion.base import Frames, Masks
from camser.fusion.pooling import PooledFusion, check_projection_size


class LowRank(PooledFusion):
    """Low-rank multimodal fusion (Liu et al., ACL 2018), for two modalities or more.

    A linear layer over the outer product of all modalities' vectors. A 1 is appended to each
    vector, so products of only some modalities are included too. The weight tensor has low rank,
    so the outer product is never computed. With z_m the projection of modality m,

        h = sum over ranks r of the elementwise product over m of (W_m^r [z_m, 1])

    Three choices limit the size of the products. tanh bounds the projections. The weight of each
    appended 1 is initialized to 1, so the product starts near a sum, and no modality can suppress
    another. The sum over ranks is divided by their number.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of each encoder, by modality.
    rank : int
        Number of factors of each modality.
    projection_size : int
        Features of the fused vector, and of a modality's projection, where its ``FrameSpec`` has no
        other.
    dropout : float
        Dropout before each projection.
    pooling : mapping of str to str, optional
        By modality, replaces the encoder's own pooling.

    Raises
    ------
    ValueError
        If there is only one modality, rank is not a positive whole number, or pooling names an
        unknown modality.

    Example
    -------
    >>> specs = {"a": FrameSpec(5, 4, "mean"), "b": FrameSpec(3, 2, "flatten")}
    >>> fusion = LowRank(specs, rank=2, projection_size=8)
    >>> fusion({"a": torch.rand(2, 5, 4), "b": torch.rand(2, 3, 2)}).shape
    torch.Size([2, 8])
    """

    activation = nn.Tanh

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        rank: int = 4,
        projection_size: int = 128,
        dropout: float = 0.1,
        pooling: Mapping[str, str] | None = None,
    ) -> None:
        if len(specs) < 2:
            raise ValueError(
                f"low-rank fusion needs at least two modalities; there is only "
                f"{', '.join(specs)}; add another modality, or use another fusion, e.g. concat"
            )
        if type(rank) is not int or rank < 1:
            raise ValueError(f"rank is {rank!r}; it must be a whole number, 1 or more")
        check_projection_size(projection_size)
        super().__init__(specs, projection_size, dropout, pooling)
        self.out_features = projection_size
        factors = {
            name: nn.Linear(size, rank * projection_size)
            for name, size in self.projection_sizes(projection_size).items()
        }
        for factor in factors.values():
            nn.init.ones_(factor.bias)
        self.factors = nn.ModuleDict(factors)
        self.rank = rank

    def forward(self, frames: Frames, masks: Masks = None) -> Tensor:
        """Frames [segments, frames, channels] by modality -> [segments, out_features]"""
        projections = self.projections(frames, *given(masks))
        factors = [self.factors[name](vector) for name, vector in projections.items()]
        # Not Tensor.prod: its gradient searches for zeros, which waits for the device.
        product = reduce(torch.mul, factors)
        return product.unflatten(1, (self.rank, self.out_features)).mean(dim=1)
