"""A classifier of each frame, trained by the cross-entropy of frames."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn

from camser.encoders import FrameSpec
from camser.fusion.base import Frames, Masks
from camser.fusion.over_frames import mask_scores, mean
from camser_rivals.fusions.scoring import ScoringFusion
from camser_rivals.layers.class_statistics import class_statistics


class PerFrame(ScoringFusion):
    """Each frame has a class of its own, and a segment's label is that of all its frames.

    The score of a class is the logarithm of the mean of its probabilities over frames [chosen]; the
    loss of a segment is the mean of its frames' cross-entropies. After Guo et al., ICASSP 2021, and
    Han et al., Interspeech 2014, where an ELM classifies utterances by ``class_statistics``.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of the encoder; of one modality.
    num_classes : int
        Classes.

    Example
    -------
    >>> import torch
    >>> fusion = PerFrame({"a": FrameSpec(22, 8, "mean")}, num_classes=4)
    >>> fusion({"a": torch.rand(2, 22, 8)}).exp().sum(dim=1).round().tolist()
    [1.0, 1.0]
    """

    def __init__(self, specs: Mapping[str, FrameSpec], num_classes: int) -> None:
        super().__init__(specs, num_classes)
        self.linear = nn.Linear(self.spec.channels, num_classes)

    def posteriors(self, frames: Tensor) -> Tensor:
        """Log-probabilities, [segments, frames, classes]"""
        return self.linear(frames).float().log_softmax(dim=2)

    def scores(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """See ``ScoringFusion.scores``."""
        posteriors = self.posteriors(frames)
        if mask is None:
            return posteriors.logsumexp(dim=1) - math.log(frames.shape[1])
        posteriors = mask_scores(posteriors, mask.unsqueeze(2))
        return posteriors.logsumexp(dim=1) - mask.sum(dim=1, keepdim=True).log()

    def losses(self, frames: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
        """See ``ScoringFusion.losses``."""
        means = mean(self.posteriors(frames), mask)
        return -means.gather(1, labels.unsqueeze(1)).squeeze(1)

    def back_end_vector(self, frames: Frames, masks: Masks = None) -> Tensor:
        """What an ELM classifies, [segments, 4 * classes]: see ``class_statistics``."""
        own, mask = self._own(frames, masks)
        return class_statistics(self.posteriors(own), mask)
