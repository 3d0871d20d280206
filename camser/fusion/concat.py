"""Concatenation, the paper's "w/o co-att"."""

from __future__ import annotations

import torch
from torch import Tensor

from camser.fusion.pooling import PooledFusion


class Concat(PooledFusion):
    """Pools and projects each modality, then concatenates all (Table 2, "w/o co-att").

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of each encoder, by modality.
    projection_size : int or None
        Features of a modality's projection, where its ``FrameSpec`` has no other. None: there are
        no projections, and the pooled frames themselves are concatenated, as for a back end.
    dropout : float
        Dropout before each projection.
    pooling : mapping of str to str, optional
        By modality, replaces the encoder's own pooling.

    Example
    -------
    >>> from camser.encoders.base import FrameSpec
    >>> specs = {"a": FrameSpec(5, 4, "mean"), "b": FrameSpec(3, 2, "flatten")}
    >>> fusion = Concat(specs, projection_size=8)
    >>> fusion({"a": torch.rand(2, 5, 4), "b": torch.rand(2, 3, 2)}).shape
    torch.Size([2, 16])
    >>> Concat(specs, projection_size=None).out_features  # 4 channels, and 3 frames of 2
    10
    """

    @torch.no_grad()
    def set_center(self, center: Tensor) -> None:
        """Subtract ``center`` [out_features] from now on; only where there are no projections."""
        sizes = [projection.out_features for projection in self.pooled.values()]
        for projection, part in zip(self.pooled.values(), center.split(sizes), strict=True):
            projection.project[-1].center.copy_(part)
