"""A fusion of one modality that gives the scores of the classes itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

from camser.encoders import FrameSpec
from camser.fusion import Fusion
from camser.fusion.base import Frames, Masks


class ScoringFusion(Fusion):
    """Frames of one modality to a logarithmic score of each class; the head only normalizes them.

    A subclass defines ``scores`` and ``losses``.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of the encoder; of one modality.
    num_classes : int
        Classes, in the order of the labels.

    Raises
    ------
    ValueError
        If there are several modalities.

    Attributes
    ----------
    gives_scores : bool
        Whether ``forward`` gives scores [segments, classes].
    """

    gives_scores = True
    example_specs = MappingProxyType({"speech": FrameSpec(30, 16, "mean")})

    def __init__(self, specs: Mapping[str, FrameSpec], num_classes: int) -> None:
        super().__init__(specs)
        if len(specs) > 1:
            raise ValueError(f"the modalities are {', '.join(specs)}; give one alone")
        (self.modality,) = specs
        self.num_classes = self.out_features = num_classes

    @property
    def spec(self) -> FrameSpec:
        """Of the modality's frames."""
        return self.specs[self.modality]

    def scores(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """[segments, frames, channels], and [segments, frames] -> [segments, classes]"""
        raise NotImplementedError

    def losses(self, frames: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
        """As ``scores``, and the class of each segment [segments] -> [segments]"""
        raise NotImplementedError

    def projections(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """The scores."""
        return {self.modality: self.scores(*self._own(frames, masks))}

    def loss(self, frames: Frames, labels: Tensor, masks: Masks = None) -> Tensor:
        """The loss of each segment, [segments], in place of the cross-entropy of the scores."""
        own, mask = self._own(frames, masks)
        return self.losses(own, labels, mask)

    def _own(self, frames: Frames, masks: Masks) -> tuple[Tensor, Tensor | None]:
        return frames[self.modality], masks[self.modality] if masks else None
