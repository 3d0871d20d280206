"""The model maps recordings to embeddings; a head maps these to log-probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from camser.encoders.base import Encoder
from camser.encoders.masks import at_most
from camser.fusion.base import Fusion
from camser.heads import EmotionHead  # noqa: F401 (stored models name it here)
from camser.over_segments import over_segments
from camser.segment_encoder import SegmentEncoder
from camser.segments import Hops, split_into_segments


class UtteranceEncoder(SegmentEncoder):
    """Recordings to embeddings: split into segments, filter, encode, fuse, hidden layers, mean.

    If the fusion gives class scores, their mean is the embedding. With ``utterance_rule`` "max", it
    is the largest log-probabilities of the segments.

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
    for_back_end : bool
        Whether embeddings are the vectors that a back end classifies after training.

    Raises
    ------
    ValueError
        As ``SegmentEncoder``.

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
        for_back_end: bool = False,
    ) -> None:
        super().__init__(
            encoders, fusion, segment_samples, hidden_sizes, dropout, preemphasis_over,
            mask_padding, whole_utterances, utterance_rule, num_classes,
        )  # fmt: skip
        self.architecture: dict[str, Any] = {}
        self.plugins: dict[str, dict[str, str]] = {}
        self.hop_samples = hop_samples or Hops(segment_samples, segment_samples)
        if for_back_end:
            self.embed_for_back_end()

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
