"""Concatenation, the paper's "w/o co-att"."""

from __future__ import annotations

from collections.abc import Mapping

from camser.encoders.base import FrameSpec
from camser.fusion.pooling import PooledFusion


class Concat(PooledFusion):
    """Pools and projects each modality, then concatenates all (Table 2, "w/o co-att").

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of each encoder, by modality.
    projection_size : int
        Features of a modality's projection.
    dropout : float
        Dropout before each projection.
    pooling : mapping of str to str, optional
        By modality, replaces the encoder's own pooling.

    Example
    -------
    >>> import torch
    >>> specs = {"a": FrameSpec(5, 4, "mean"), "b": FrameSpec(3, 2, "flatten")}
    >>> fusion = Concat(specs, projection_size=8)
    >>> fusion({"a": torch.rand(2, 5, 4), "b": torch.rand(2, 3, 2)}).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        projection_size: int = 128,
        dropout: float = 0.1,
        pooling: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(specs, projection_size, dropout, pooling)
        self.out_features = projection_size * len(specs)
