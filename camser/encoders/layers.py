"""Which hidden layer of a transformer becomes the frames, or what mixture of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from camser.encoders.base import Encoder


def num_layers_needed(layer: int | str | None, depth: int) -> int:
    """How many of ``depth`` layers are needed for the hidden state called ``layer``.

    Arguments
    ---------
    layer : int, "mixture" or None
        0 is the transformer's input; None the last layer; "mixture" all.
    depth : int
        Layers of the checkpoint.

    Raises
    ------
    ValueError
        If there is no such layer.

    Example
    -------
    >>> num_layers_needed(3, 12), num_layers_needed(None, 12), num_layers_needed("mixture", 12)
    (3, 12, 12)
    """
    if layer in (None, "mixture"):
        return depth
    if not isinstance(layer, int) or not 0 <= layer <= depth:
        raise ValueError(f"layer is {layer!r}; allowed: 0 … {depth}, mixture, null")
    return layer


class WeightedLayerSum(nn.Module):
    """A learned convex combination of layers (as in SUPERB, Yang et al., 2021).

    Arguments
    ---------
    num_layers : int
        How many there are, the transformer's input included.

    Example
    -------
    >>> mixture = WeightedLayerSum(2)
    >>> mixture(torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)).item()
    0.5
    """

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(num_layers))

    def forward(self, layers: Tensor) -> Tensor:
        """[segments, layers, frames, channels] -> [segments, frames, channels]"""
        return torch.einsum("l,sltc->stc", self.logits.softmax(0), layers)


class HiddenStateEncoder(Encoder):
    """An encoder whose frames are a hidden layer of its ``model``, or the mixture of all of them.

    A subclass sets ``model``, ``layer`` and, where that is "mixture", ``mixture``, and defines
    ``hidden_states``. Where the model is frozen and the mixture learns, all layers are kept.
    """

    model: Any  # transformers declares nothing of its parts
    mixture: WeightedLayerSum
    layer: int | str | None

    def forward(self, waves: Tensor) -> Tensor:
        """[segments, samples] -> [segments, frames, channels]"""
        return (
            self.mixture(self._all(waves))
            if self.layer == "mixture"
            else self.hidden_states(waves)[-1]
        )

    def hidden_states(self, waves: Tensor) -> Sequence[Tensor]:
        """Hidden states, the last one last, all for a mixture: [segments, frames, channels] each"""
        raise NotImplementedError

    def _all(self, waves: Tensor) -> Tensor:
        return torch.stack(tuple(self.hidden_states(waves)), dim=1)

    @property
    def is_frozen_weighted_sum(self) -> bool:
        """Whether the layers depend on the audio alone, and only their mixture is learned."""
        frozen = any(module is self.model for module in self._frozen)
        return self.layer == "mixture" and frozen and not self.has_augmentation

    @property
    def is_cacheable(self) -> bool:
        """Whether something depends on the audio alone, so that it can be kept."""
        return self.is_frozen_weighted_sum or super().is_cacheable

    def cacheable_output(self, waves: Tensor) -> Tensor:
        """Frames, or all layers: [segments, samples] -> [segments, …]"""
        return self._all(waves) if self.is_frozen_weighted_sum else super().cacheable_output(waves)

    def from_cache(self, kept: Tensor) -> Tensor:
        """From what was kept to frames: [segments, …] -> [segments, frames, channels]"""
        return self.mixture(kept) if self.is_frozen_weighted_sum else super().from_cache(kept)
