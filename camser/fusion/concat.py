"""Concatenation, the paper's "w/o co-att"."""

from __future__ import annotations

from camser.fusion.pooling import PooledFusion


class Concat(PooledFusion):
    """Pools and projects each modality, then concatenates all (Table 2, "w/o co-att").

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

    Example
    -------
    >>> import torch
    >>> from camser.encoders.base import FrameSpec
    >>> specs = {"a": FrameSpec(5, 4, "mean"), "b": FrameSpec(3, 2, "flatten")}
    >>> fusion = Concat(specs, projection_size=8)
    >>> fusion({"a": torch.rand(2, 5, 4), "b": torch.rand(2, 3, 2)}).shape
    torch.Size([2, 16])
    """
