"""Segments to embeddings: encoders, fusion, hidden layers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from camser.encoders.base import Encoder
from camser.encoders.masks import given
from camser.encoders.multimodal import MultimodalEncoder
from camser.fusion.base import Fusion
from camser.heads import hidden_layers, new_head
from camser.over_segments import RULES


class Intermediates(NamedTuple):
    """The intermediate results of one forward pass, one row per segment."""

    projections: dict[str, Tensor]
    attention_weights: dict[str, Tensor]
    fused: Tensor
    embeddings: Tensor


class SegmentEncoder(MultimodalEncoder):
    """Segments to embeddings: filter, encode, fuse, hidden layers.

    If the fusion gives class scores, these are the embedding. With ``utterance_rule`` "max", it is
    the log-probabilities of a head behind the hidden layers.

    Arguments
    ---------
    encoders, fusion, segment_samples, hidden_sizes, dropout
        As for ``UtteranceEncoder``.
    preemphasis_over, mask_padding, whole_utterances, utterance_rule, num_classes
        As for ``UtteranceEncoder``.

    Raises
    ------
    ValueError
        If the size of a hidden layer is not a whole number from 1 on, a fusion that gives scores
        has hidden layers behind it, ``preemphasis_over`` or ``utterance_rule`` is not allowed, or
        an encoder or the fusion cannot mask padding.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        segment_samples: int,
        hidden_sizes: Sequence[int],
        dropout: float,
        preemphasis_over: str,
        mask_padding: bool,
        whole_utterances: bool,
        utterance_rule: str,
        num_classes: int | None,
    ) -> None:
        options = preemphasis_over, mask_padding, whole_utterances
        super().__init__(encoders, segment_samples, *options)
        if mask_padding:
            fusion.check_masks_padding()
        self.fusion = fusion
        if fusion.gives_scores and hidden_sizes:
            raise ValueError(
                f"hidden_sizes is {list(hidden_sizes)}, but the fusion gives class scores; give "
                f"embedding_model: {{hidden_sizes: []}}"
            )
        layers, size = hidden_layers(fusion.out_features, hidden_sizes, dropout)
        if utterance_rule not in RULES:
            raise ValueError(f"utterance_rule is {utterance_rule!r}; allowed: {', '.join(RULES)}")
        self.utterance_rule, self.for_back_end = utterance_rule, False
        if utterance_rule == "max":
            head = new_head(size, num_classes, fusion.gives_scores)
            layers, size = [*layers, head], head.num_classes
        self.hidden, self.embedding_size = nn.Sequential(*layers), size

    def forward_segments(
        self,
        segments: Tensor | None,
        cached: Mapping[str, Tensor] | None = None,
        num_samples: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Any:
        """Embed segments.

        Arguments
        ---------
        segments : Tensor or None
            [segments, 1 + samples], the sample before each segment (0 at the beginning of an
            utterance) and its own, ``segment_samples`` or, if padding is trimmed, up to these; None
            if the features of all modalities are cached.
        cached : mapping of str to Tensor, optional
            Cached features by modality, one row per segment, see ``training.feature_cache``.
        num_samples : Tensor, optional
            [segments], how many of the samples are real; those behind are padding. Needed, and
            used, only if padding is masked.
        labels : Tensor, optional
            [segments], class indices, for a fusion that has a loss of its own.

        Returns
        -------
        Tensor, or pair of Tensor
            [segments, embedding_size]. With ``labels`` also the losses, [segments]; of a fusion
            that gives scores these alone, and None.
        """
        frames = self.encode(segments, cached, num_samples)
        masks = given(self.masks(frames, num_samples))
        if self.for_back_end:
            return self.fusion.back_end_vector(frames, *masks)
        if labels is None:
            return self.hidden(self.fusion(frames, *masks))
        losses = self.fusion.loss(frames, labels, *masks)
        if self.fusion.gives_scores:
            return None, losses
        return self.hidden(self.fusion(frames, *masks)), losses

    @torch.no_grad()
    def intermediates(
        self,
        segments: Tensor | None,
        cached: Mapping[str, Tensor] | None = None,
        num_samples: Tensor | None = None,
    ) -> Intermediates:
        """The layers' results in evaluation mode; arguments as for ``forward_segments``."""
        was_training = self.training
        self.eval()
        try:
            frames = self.encode(segments, cached, num_samples)
            inputs = frames, *given(self.masks(frames, num_samples))
            fused = self.fusion(*inputs)
            return Intermediates(
                self.fusion.projections(*inputs),
                self.fusion.attention_weights(*inputs),
                fused,
                self.hidden(fused),
            )
        finally:
            self.train(was_training)

    def check_for_back_end(self) -> None:
        """Raise a ValueError if an utterance has the largest of its segments' values."""
        if self.utterance_rule != "mean":
            raise ValueError("a back end classifies means over segments; give utterance_rule: mean")

    @torch.no_grad()
    def embed_for_back_end(self) -> None:
        """From now on, embeddings are the vectors that a back end classifies.

        Raises
        ------
        ValueError
            As ``check_for_back_end``.
        """
        self.check_for_back_end()
        tensors = itertools.chain(self.fusion.parameters(), self.fusion.buffers())
        device = next((tensor.device for tensor in tensors), None)
        frames = {
            name: torch.zeros(1, spec.num_frames, spec.channels, device=device)
            for name, spec in self.fusion.specs.items()
        }
        self.for_back_end = True
        self.embedding_size = self.fusion.back_end_vector(frames).shape[1]

    @property
    def gives_scores(self) -> bool:
        """Whether the embeddings are class scores."""
        scores = self.fusion.gives_scores or self.utterance_rule == "max"
        return scores and not self.for_back_end

    def named_components(self) -> Iterator[tuple[str, nn.Module]]:
        """The components that have a learning rate: each modality's encoder, "fusion", "hidden"."""
        yield from self.encoders.items()
        yield "fusion", self.fusion
        yield "hidden", self.hidden
