"""The model maps recordings to embeddings; a head maps these to log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from camser.encoders.base import Encoder
from camser.encoders.masks import at_most, given
from camser.encoders.multimodal import MultimodalEncoder
from camser.fusion.base import Fusion
from camser.heads import EmotionHead, hidden_layers, new_head  # noqa: F401 (stored models name it)
from camser.over_segments import RULES, over_segments
from camser.segments import Hops, split_into_segments


class Intermediates(NamedTuple):
    """The intermediate results of one forward pass, one row per segment."""

    projections: dict[str, Tensor]
    attention_weights: dict[str, Tensor]
    fused: Tensor
    embeddings: Tensor


class UtteranceEncoder(MultimodalEncoder):
    """Recordings to embeddings: split into segments, filter, encode, fuse, hidden layers, mean.

    If the fusion gives class scores, these are the embedding. With ``utterance_rule`` "max", it is
    the log-probabilities of a head behind the hidden layers, and their largest over the segments.

    Arguments
    ---------
    encoders : mapping of str to Encoder
        The encoder of each modality, in order.
    fusion : Fusion
        Built for these encoders' frames.
    segment_samples : int
        Length of a segment.
    hidden_sizes : sequence of int
        Hidden layers between fusion and embedding; the last is the embedding's size. There must be
        none if the fusion gives class scores.
    dropout : float
        Dropout before each hidden layer.
    preemphasis_over : str
        The signal that the encoders' pre-emphasis filters: the "utterance", as published, or each
        "segment" alone, as in models exported before format 3.
    mask_padding : bool
        Whether the silence behind a segment's real samples is masked, so that it changes nothing.
        By default, as published, it is encoded and fused like speech.
    whole_utterances : bool
        Whether a segment has the length of its utterance, up to ``segment_samples``. With
        ``mask_padding``, a batch is then only as long as its longest segment.
    hop_samples : Hops, optional
        The samples between the starts of two segments; by default ``segment_samples``.
    utterance_rule : str
        What an utterance has of its segments' embeddings: the "mean" or the "max".
    num_classes : int, optional
        Number of emotions; only "max" needs it.

    Raises
    ------
    ValueError
        If the size of a hidden layer is not a whole number from 1 on, a fusion that gives scores
        has hidden layers behind it, ``preemphasis_over``, ``hop_samples`` or ``utterance_rule`` is
        not allowed, or an encoder or the fusion cannot mask padding.

    Attributes
    ----------
    architecture : dict
        The arguments of ``build_model`` that rebuild this model.
    plugins : dict of str to dict
        The origin of each encoder and of the fusion, by name, see ``registry.origin_of``. Both are
        empty if another function than ``build_model`` built the model.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        segment_samples: int,
        hidden_sizes: Sequence[int] = (128, 128),
        dropout: float = 0.1,
        preemphasis_over: str = "utterance",
        mask_padding: bool = False,
        whole_utterances: bool = False,
        hop_samples: Hops | None = None,
        utterance_rule: str = "mean",
        num_classes: int | None = None,
    ) -> None:
        options = preemphasis_over, mask_padding, whole_utterances
        super().__init__(encoders, segment_samples, *options)
        if mask_padding:
            fusion.check_masks_padding()
        self.architecture: dict[str, Any] = {}
        self.plugins: dict[str, dict[str, str]] = {}
        self.fusion = fusion
        self.hop_samples = hop_samples or Hops(segment_samples, segment_samples)
        if fusion.gives_scores and hidden_sizes:
            raise ValueError(
                f"hidden_sizes is {list(hidden_sizes)}, but the fusion gives class scores; give "
                f"embedding_model: {{hidden_sizes: []}}"
            )
        layers, size = hidden_layers(fusion.out_features, hidden_sizes, dropout)
        if utterance_rule not in RULES:
            raise ValueError(f"utterance_rule is {utterance_rule!r}; allowed: {', '.join(RULES)}")
        self.utterance_rule = utterance_rule
        if utterance_rule == "max":
            head = new_head(size, num_classes, fusion.gives_scores)
            layers, size = [*layers, head], head.num_classes
        self.hidden, self.embedding_size = nn.Sequential(*layers), size

    def forward(
        self,
        wavs: Tensor | None,
        lens: Tensor | None = None,
        cached: Mapping[str, Tensor] | None = None,
        before: Tensor | None = None,
        num_samples: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Any:
        """Embed utterances; without ``lens``, ``forward_segments`` with the other arguments,
        because wrappers such as DistributedDataParallel and torch.compile call only ``forward``.

        Arguments
        ---------
        wavs : Tensor
            [utterances, samples]
        lens : Tensor
            [utterances], relative to ``samples``.
        cached, num_samples, labels : optional
            As for ``forward_segments``; only without ``lens``.
        before : Tensor, optional
            [utterances], the sample before each utterance; by default 0.

        Returns
        -------
        Tensor
            [utterances, embedding_size]
        """
        if wavs is None or lens is None:
            return self.forward_segments(wavs, cached, num_samples, labels)
        size = self.segment_samples
        size = at_most(wavs.shape[1], size) if self.trims_padding else size
        hop = size if self.trims_padding else self.hop_samples.test
        segments, grid = split_into_segments(wavs, lens, size, before, hop)
        embeddings = self.forward_segments(segments, num_samples=grid.lengths)
        return over_segments(embeddings, grid.owners, wavs.shape[0], self.utterance_rule)

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

    @property
    def gives_scores(self) -> bool:
        """Whether the embeddings are class scores."""
        return self.fusion.gives_scores or self.utterance_rule == "max"

    def named_components(self) -> Iterator[tuple[str, nn.Module]]:
        """The components that have a learning rate: each modality's encoder, "fusion", "hidden"."""
        yield from self.encoders.items()
        yield "fusion", self.fusion
        yield "hidden", self.hidden


def count_parameters(model: UtteranceEncoder, head: nn.Module) -> dict[str, tuple[int, int]]:
    """(all, trainable) parameters of each component, and their "total".

    Arguments
    ---------
    model : UtteranceEncoder
        The embedding model.
    head : EmotionHead or ScoreHead
        The classifier.
    """
    components = {**dict(model.named_components()), "head": head}
    table = {
        name: (
            sum(p.numel() for p in component.parameters()),
            sum(p.numel() for p in component.parameters() if p.requires_grad),
        )
        for name, component in components.items()
    }
    return {**table, "total": tuple(sum(column) for column in zip(*table.values(), strict=True))}
