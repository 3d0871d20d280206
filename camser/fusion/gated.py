"""Gated fusion: gates weight each feature of each modality, and see all modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from camser.encoders.base import FrameSpec
from camser.encoders.masks import given
from camser.fusion.base import Frames, Masks
from camser.fusion.pooling import PooledFusion, check_projection_size


class Gated(PooledFusion):
    """The gated multimodal unit of Arevalo et al., 2017, for any number of modalities.

    A modality m with pooled frames x_m adds z_m * h_m to the fused vector, where

        h_m = tanh(W_m x_m + b_m)
        z_m = sigmoid(U_m [h_1, …, h_M] + c_m)

    The input of the gates is the projected vectors and not, as in the article, the pooled frames.
    Flattened frames have so many features that the gates would outgrow the rest of the model.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of each encoder, by modality.
    projection_size : int
        Features of a modality's projection, and of the fused vector, which is their sum.
    dropout : float
        Dropout before each projection.
    pooling : mapping of str to str, optional
        By modality, replaces the encoder's own pooling.

    Raises
    ------
    ValueError
        If a modality's ``FrameSpec`` has another ``projection_size``.

    Example
    -------
    >>> specs = {"a": FrameSpec(5, 4, "mean"), "b": FrameSpec(3, 2, "flatten")}
    >>> fusion = Gated(specs, projection_size=8)
    >>> fusion({"a": torch.rand(2, 5, 4), "b": torch.rand(2, 3, 2)}).shape
    torch.Size([2, 8])
    """

    activation = nn.Tanh

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        projection_size: int = 128,
        dropout: float = 0.1,
        pooling: Mapping[str, str] | None = None,
    ) -> None:
        check_projection_size(projection_size)
        super().__init__(specs, projection_size, dropout, pooling)
        self._check_sizes(projection_size)
        self.out_features = projection_size
        size = projection_size * len(specs)
        self.gates = nn.ModuleDict({name: nn.Linear(size, projection_size) for name in specs})

    def _check_sizes(self, projection_size: int) -> None:
        for name, size in self.projection_sizes(projection_size).items():
            if size != projection_size:
                raise ValueError(
                    f"the projection_size of {name!r} is {size}, the fusion's is "
                    f"{projection_size}; gated fusion adds the projections, so give them one size"
                )

    def forward(self, frames: Frames, masks: Masks = None) -> Tensor:
        """Frames [segments, frames, channels] by modality -> [segments, out_features]"""
        return torch.stack(list(self.projections(frames, *given(masks)).values())).sum(dim=0)

    def projections(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """See ``Fusion.projections``; the gated vector of each modality."""
        hidden = super().projections(frames, masks)
        joint = torch.cat(list(hidden.values()), dim=1)
        return {name: gate(joint).sigmoid() * hidden[name] for name, gate in self.gates.items()}
