"""Frames from a hidden layer of a transformer, or from a learned mixture of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from camser.encoders.base import Encoder
from camser.encoders.pretrained import config_to_dict
from camser.encoders.regularization import LayerDrop, SpecAugment


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

    A subclass sets the attributes below, calls ``finish``, and defines ``hidden_states``. If the
    model is frozen and the mixture is learned, all layers are cached.

    Attributes
    ----------
    config : PretrainedConfig
        The checkpoint's configuration; its ``depth_name`` is the number of layers.
    model : Module
        transformers' model.
    layer : int, "weighted_sum" or None
        See ``num_layers_needed``.
    depth : int
        Number of layers of the checkpoint.
    noise : dict
        The settings of ``SpecAugment``, in its order, and "layer_drop".
    """

    depth_name: str
    config: Any
    model: Any  # transformers declares no types of its components
    layer: int | str | None
    depth: int
    noise: dict[str, Any]

    def finish(
        self,
        freeze: str | None,
        blocks: Iterable[nn.Module],
        convolutions: Iterable[nn.Module],
        gradient_checkpointing: bool,
    ) -> None:
        """Make the noise and the mixture, and freeze "all", the "convolutions" or nothing.

        The subclass applies ``augment``. Transformer layers, the ``blocks``, are dropped by hooks.
        """
        *masks, layer_drop = self.noise.values()
        self.augment = SpecAugment(*masks)
        self.has_augmentation = self.augment.is_active
        if layer_drop:
            for block in blocks:
                block.register_forward_hook(LayerDrop(layer_drop))
        frozen = {"all": [self.model], "convolutions": convolutions, None: []}[freeze]
        for module in frozen:
            self.freeze(module)
        if self.layer == "weighted_sum":
            self.mixture = WeightedLayerSum(self.depth + 1)
        if gradient_checkpointing:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})

    def init_config(self) -> dict[str, Any]:
        """The configuration in place of the checkpoint, and the settings of this encoder."""
        return {
            "config": {**config_to_dict(self.config), self.depth_name: self.depth},
            "layer": self.layer,
            "preemphasis": self.preemphasis,
            **self.noise,
        }

    def forward(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, frames, channels]"""
        if self.layer == "weighted_sum":
            return self.mixture(self._stack(segments, num_samples))
        return self.hidden_states(segments, num_samples)[-1]

    def hidden_states(
        self, segments: Tensor, num_samples: Tensor | None = None
    ) -> Sequence[Tensor]:
        """Hidden states in order, all for a mixture: [segments, frames, channels] each"""
        raise NotImplementedError

    def _stack(self, segments: Tensor, num_samples: Tensor | None) -> Tensor:
        return torch.stack(tuple(self.hidden_states(segments, num_samples)), dim=1)

    @property
    def is_frozen_weighted_sum(self) -> bool:
        """Whether the layers depend on the audio alone, and only their mixture is learned."""
        is_frozen = self.model in self._frozen
        return self.layer == "weighted_sum" and is_frozen and not self.has_augmentation

    @property
    def cached_steps_dim(self) -> int:  # type: ignore[override]  # of its class it is a number
        """All layers are cached as [segments, layers, frames, channels]."""
        return 2 if self.is_frozen_weighted_sum else 1

    @property
    def is_cacheable(self) -> bool:
        """Whether an output depends on the audio alone, so that it can be cached."""
        return self.is_frozen_weighted_sum or super().is_cacheable

    def cacheable_output(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """Frames, or all layers: [segments, samples] -> [segments, …]"""
        if self.is_frozen_weighted_sum:
            return self._stack(segments, num_samples)
        return super().cacheable_output(segments, num_samples)

    def from_cache(self, cached: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """From cached output to frames: [segments, …] -> [segments, frames, channels]"""
        if self.is_frozen_weighted_sum:
            return self.mixture(cached)
        return super().from_cache(cached, num_samples)
