"""The interface of every fusion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from camser.encoders.base import FrameSpec
from camser.encoders.masks import given, take

Frames = Mapping[str, Tensor]  # by modality: [segments, frames, channels]
Masks = Mapping[str, Tensor] | None  # by modality: [segments, frames], true for real frames


class Fusion(nn.Module):
    """Frames of several modalities to one vector. The encoders set the sizes at construction.

    A subclass sets ``out_features`` and defines ``projections``; by default the fused vector is
    their concatenation in the order of the modalities. Or it defines ``forward``.

    If ``gives_scores`` is true, its constructor also takes ``num_classes``, and ``forward`` gives
    the scores of the classes, [segments, classes], up to a constant their log-probabilities. The
    model then has no hidden layers, and its head only normalizes the scores.

    A subclass may define ``loss``. In training, the loss of a fusion that gives scores replaces the
    cross-entropy, and that of another one is added to it.

    If these methods and ``attention_weights`` also take ``masks``, the fusion can be used where
    padding is masked. A model with ``mask_padding`` then passes the masks of the frames,
    [segments, frames] by modality, true for real ones. The other frames must not change anything,
    and their weights are 0. There may be fewer frames than the specifications have.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of each encoder, by modality.

    Attributes
    ----------
    out_features : int
        Size of the fused vector; of scores, the number of classes.
    gives_scores : bool
        Whether ``forward`` gives the scores of the classes.
    compiled_submodules : tuple of str
        The submodules to compile with torch.compile. Each is one graph without breaks, with one
        size in training and one in evaluation. Paths such as "layers.*"; "" is the module itself.
    example_specs : mapping of str to FrameSpec
        Frames that ``camser.testing`` and ``camser plugins`` build it for, if it cannot take those
        of any modalities; by default empty.
    expected_failures : mapping of str to str
        The checks of ``camser.testing`` that this class cannot pass, each with its reason.
    """

    out_features: int
    gives_scores: bool = False
    compiled_submodules: tuple[str, ...] = ()
    example_specs: Mapping[str, FrameSpec] = MappingProxyType({})
    expected_failures: Mapping[str, str] = MappingProxyType({})

    def __init__(self, specs: Mapping[str, FrameSpec]) -> None:
        super().__init__()
        if not specs:
            raise ValueError("a fusion needs at least one modality")
        self.specs = dict(specs)

    def projections(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """The vector of each modality, each [segments, features]; none by default."""
        return {}

    def attention_weights(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """Attention weights [segments, frames] by attended modality; none by default."""
        return {}

    def forward(self, frames: Frames, masks: Masks = None) -> Tensor:
        """Frames [segments, frames, channels] by modality -> [segments, out_features]"""
        return torch.cat(list(self.projections(frames, *given(masks)).values()), dim=1)

    def loss(self, frames: Frames, labels: Tensor, masks: Masks = None) -> Tensor:
        """A loss of its own, of each segment.

        Arguments
        ---------
        frames : mapping of str to Tensor
            [segments, frames, channels], by modality.
        labels : Tensor
            [segments], class indices.
        masks : mapping of str to Tensor, optional
            As for ``forward``.

        Returns
        -------
        Tensor
            [segments], in float32.
        """
        raise NotImplementedError

    def back_end_vector(self, frames: Frames, masks: Masks = None) -> Tensor:
        """What a back end classifies after training, [segments, features]: the fused vector."""
        return self.forward(frames, *given(masks))

    @property
    def has_loss(self) -> bool:
        """Whether it brings a loss of its own."""
        return type(self).loss is not Fusion.loss

    def check_masks_padding(self) -> None:
        """Raise a ValueError unless padding can be masked in this fusion."""
        names = "forward", "projections", "attention_weights", "loss", "back_end_vector"
        if unmasked := [name for name in names if not take("masks", [getattr(self, name)])]:
            raise ValueError(
                f"fusion {type(self).__name__} cannot mask padding: its {', '.join(unmasked)} must "
                f"take masks; give mask_padding: false, or another fusion"
            )
        for name, module in self.named_modules():
            if not getattr(module, "masks_padding", True):
                raise ValueError(
                    f"{name.rpartition('.')[2]}: the pooling flatten cannot mask padding; give "
                    f"this modality the pooling mean, statistics or last, or mask_padding: false"
                )

    def specs_with_pooling(self, pooling: Mapping[str, str]) -> dict[str, FrameSpec]:
        """The encoders' specifications, with ``pooling`` in place of their own where it is set."""
        self.check_modalities(pooling, "pooling's")
        return {n: s._replace(pooling=pooling.get(n, s.pooling)) for n, s in self.specs.items()}

    def projection_sizes(self, default: Any) -> dict[str, Any]:
        """The size of each modality's projection: its encoder's table has it, or ``default``.

        If ``default`` is None, the fusion projects nothing, and all are None.
        """
        sizes = {name: spec.projection_size for name, spec in self.specs.items()}
        if default is None:
            return dict.fromkeys(sizes)
        return {name: default if size is None else size for name, size in sizes.items()}

    def check_modalities(self, names: Iterable[str], role: str) -> None:
        """Raise a ValueError unless every name is among the modalities.

        Arguments
        ---------
        names : iterable of str
            Modalities named by a parameter.
        role : str
            Their role, e.g. "guide".
        """
        for name in names:
            if name not in self.specs:
                raise ValueError(
                    f"{role} {name!r} is not among the modalities [{', '.join(self.specs)}]"
                )
