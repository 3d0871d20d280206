"""Scores of an utterance whose frames have its emotion or none, by a sum over label sequences."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor, nn

from camser.encoders import FrameSpec
from camser.fusion.base import Frames, Masks
from camser_rivals.fusions.scoring import ScoringFusion
from camser_rivals.layers.class_statistics import class_statistics
from camser_rivals.layers.component_attention import ComponentAttention
from camser_rivals.layers.null_label import in_any_runs, in_runs, masked

ANY = "any"


class NullPooling(ScoringFusion):
    """A frame has an emotion or the label Null; an utterance has frames of one emotion, and Null.

    The score of a class y is the logarithm of the probability of all sequences of y and Null

        with ``runs`` runs of y: CTC's, for a label sequence of so many y's. After Zhao et al.,
        Interspeech 2019, who put attention before it (``context``). How often they repeat the
        label is unknown; 1 is [chosen].

        with any number of runs: after Lee and Tashev, Interspeech 2015, whose labels of frames are
        random variables; their constraint on the number of changes is not remembered [recalled].

    The loss of a segment is the negative score of its class, not the cross-entropy of the scores.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of the encoder; of one modality.
    num_classes : int
        Emotions.
    runs : int or "any"
        See above.
    context : int or None
        Of ``ComponentAttention`` over the frames; None: there is none.

    Raises
    ------
    ValueError
        If an argument is not allowed, or there are several modalities.

    Example
    -------
    >>> fusion = NullPooling({"a": FrameSpec(30, 8, "mean")}, num_classes=4)
    >>> scores = fusion({"a": torch.rand(2, 30, 8)})
    >>> scores.shape, bool((scores < 0).all())
    (torch.Size([2, 4]), True)
    """

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        num_classes: int,
        runs: int | str = 1,
        context: int | None = None,
    ) -> None:
        super().__init__(specs, num_classes)
        if runs != ANY and (type(runs) is not int or runs < 1):
            raise ValueError(f"runs is {runs!r}; allowed: any, or a whole number from 1 on")
        self.runs = None if runs == ANY else int(runs)
        size = self.spec.channels
        self.attention = None if context is None else ComponentAttention(size, context)
        self.linear = nn.Linear(size, 1 + num_classes)

    def posteriors(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """log p_t of Null and of each class, [segments, frames, 1 + classes]"""
        if self.attention is not None:
            frames = self.attention(frames, mask)
        return self.linear(frames).float().log_softmax(dim=2)

    @fwd_default_precision(cast_inputs=torch.float32)
    def scores(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """See ``ScoringFusion.scores``."""
        null, label = self.posteriors(frames, mask).mT.split([1, self.num_classes], dim=1)
        null, label = masked(null, label, mask)
        if self.runs is None:
            return in_any_runs(null, label)
        return in_runs(null, label, self.runs, self.spec.num_frames)

    def losses(self, frames: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
        """See ``ScoringFusion.losses``."""
        return -self.scores(frames, mask).gather(1, labels.unsqueeze(1)).squeeze(1)

    def back_end_vector(self, frames: Frames, masks: Masks = None) -> Tensor:
        """What an ELM classifies, [segments, 4 * classes]: see ``class_statistics``."""
        own, mask = self._own(frames, masks)
        return class_statistics(self.posteriors(own, mask)[..., 1:], mask)
