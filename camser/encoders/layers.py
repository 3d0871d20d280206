"""Frames from a hidden layer of a transformer, or from a learned mixture of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from camser.encoders.base import Encoder


def num_layers_needed(layer: int | str | None, depth: int) -> int:
    """How many of ``depth`` layers are needed to compute the hidden state ``layer``.

    Arguments
    ---------
    layer : int, "weighted_sum" or None
        0 is the transformer's input, None the last layer, "weighted_sum" all layers.
    depth : int
        Number of layers of the checkpoint.

    Raises
    ------
    ValueError
        If there is no such layer.

    Example
    -------
    >>> num_layers_needed(3, 12), num_layers_needed(None, 12), num_layers_needed("weighted_sum", 12)
    (3, 12, 12)
    """
    if layer in (None, "weighted_sum"):
        return depth
    if not isinstance(layer, int) or not 0 <= layer <= depth:
        raise ValueError(f"layer is {layer!r}; allowed: 0 … {depth}, weighted_sum, null")
    return layer


class WeightedLayerSum(nn.Module):
    """A learned convex combination of layers (as in SUPERB, Yang et al., 2021).

    Arguments
    ---------
    num_layers : int
        Number of layers, the transformer's input included.

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

    A subclass sets ``model`` and ``layer``, sets ``mixture`` if ``layer`` is "weighted_sum", and
    defines ``hidden_states``. If the model is frozen and the mixture is learned, all layers are
    cached.
    """

    model: Any  # transformers declares no types of its components
    mixture: WeightedLayerSum
    layer: int | str | None

    def forward(self, waves: Tensor) -> Tensor:
        """[segments, samples] -> [segments, frames, channels]"""
        return (
            self.mixture(self._stack(waves))
            if self.layer == "weighted_sum"
            else self.hidden_states(waves)[-1]
        )

    def hidden_states(self, waves: Tensor) -> Sequence[Tensor]:
        """Hidden states in order, all for a mixture: [segments, frames, channels] each"""
        raise NotImplementedError

    def _stack(self, waveforms: Tensor) -> Tensor:
        return torch.stack(tuple(self.hidden_states(waveforms)), dim=1)

    @property
    def is_frozen_weighted_sum(self) -> bool:
        """Whether the layers depend on the audio alone, and only their mixture is learned."""
        frozen = any(module is self.model for module in self._frozen)
        return self.layer == "weighted_sum" and frozen and not self.has_augmentation

    @property
    def is_cacheable(self) -> bool:
        """Whether an output depends on the audio alone, so that it can be cached."""
        return self.is_frozen_weighted_sum or super().is_cacheable

    def cacheable_output(self, waves: Tensor) -> Tensor:
        """Frames, or all layers: [segments, samples] -> [segments, …]"""
        return (
            self._stack(waves) if self.is_frozen_weighted_sum else super().cacheable_output(waves)
        )

    def from_cache(self, kept: Tensor) -> Tensor:
        """From cached output to frames: [segments, …] -> [segments, frames, channels]"""
        return self.mixture(kept) if self.is_frozen_weighted_sum else super().from_cache(kept)
