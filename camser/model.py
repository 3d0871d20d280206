"""The model maps recordings to embeddings; its head maps these to log-probabilities."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from camser.encoders.base import Encoder
from camser.fusion.base import Fusion
from camser.segments import mean_over_segments, preemphasize, split_into_segments


class Intermediates(NamedTuple):
    """The intermediate results of one forward pass, one row per segment."""

    projections: dict[str, Tensor]
    attention_weights: dict[str, Tensor]
    fused: Tensor
    embeddings: Tensor


class UtteranceEncoder(nn.Module):
    """Recordings to embeddings: split into segments, filter, encode, fuse, hidden layers, mean.

    Arguments
    ---------
    encoders : mapping of str to Encoder
        The encoder of each modality, in order.
    fusion : Fusion
        Built for these encoders' frames.
    segment_samples : int
        Length of a segment.
    hidden_sizes : sequence of int
        Hidden layers between fusion and embedding; the last is the embedding's size.
    dropout : float
        Dropout before each hidden layer.
    preemphasis_over : str
        The signal that the encoders' pre-emphasis filters: the "utterance", as published, or each
        "segment" alone, as in models exported before format 3.

    Raises
    ------
    ValueError
        If the size of a hidden layer is not a whole number from 1 on, or ``preemphasis_over`` is
        not allowed.

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
    ) -> None:
        super().__init__()
        if preemphasis_over not in ("utterance", "segment"):
            raise ValueError(
                f"preemphasis_over is {preemphasis_over!r}; allowed: utterance, segment"
            )
        self.preemphasis_over = preemphasis_over
        self.architecture: dict[str, Any] = {}
        self.plugins: dict[str, dict[str, str]] = {}
        self.encoders: Any = nn.ModuleDict(encoders)
        self.fusion = fusion
        self.segment_samples = segment_samples
        if invalid := [size for size in hidden_sizes if type(size) is not int or size < 1]:
            raise ValueError(f"hidden_sizes has {invalid[0]!r}; allowed: whole numbers from 1 on")
        layers, size = [], fusion.out_features
        for hidden_size in hidden_sizes:
            layers += [nn.Dropout(dropout), nn.Linear(size, hidden_size), nn.ReLU()]
            size = hidden_size
        self.hidden = nn.Sequential(*layers)
        self.embedding_size = size

    def forward(
        self,
        wavs: Tensor | None,
        lens: Tensor | None = None,
        cached: Mapping[str, Tensor] | None = None,
        before: Tensor | None = None,
    ) -> Tensor:
        """Embed utterances; without ``lens``, ``forward_segments(wavs, cached)``, because wrappers
        such as DistributedDataParallel and torch.compile call only ``forward``.

        Arguments
        ---------
        wavs : Tensor
            [utterances, samples]
        lens : Tensor
            [utterances], relative to ``samples``.
        cached : mapping of str to Tensor, optional
            As for ``forward_segments``; only without ``lens``.
        before : Tensor, optional
            [utterances], the sample before each utterance; by default 0.

        Returns
        -------
        Tensor
            [utterances, embedding_size]
        """
        if wavs is None or lens is None:
            return self.forward_segments(wavs, cached)
        cut, owners = split_into_segments(wavs, lens, self.segment_samples, before)
        return mean_over_segments(self.forward_segments(cut), owners, wavs.shape[0])

    def forward_segments(
        self, segments: Tensor | None, cached: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Embed segments.

        Arguments
        ---------
        segments : Tensor or None
            [segments, 1 + samples], the sample before each segment (0 at the beginning of an
            utterance) and its own; None if the features of all modalities are cached.
        cached : mapping of str to Tensor, optional
            Cached features by modality, one row per segment, see ``training.feature_cache``.

        Returns
        -------
        Tensor
            [segments, embedding_size]
        """
        return self.hidden(self.fusion(self.encode(segments, cached)))

    def encode(
        self, segments: Tensor | None, cached: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Segments to frames [segments, frames, channels] by modality, see ``forward_segments``."""
        cached = cached or {}
        computed = {n: encoder for n, encoder in self.encoders.items() if n not in cached}
        coefficients = {encoder.preemphasis for encoder in computed.values()}
        filtered = {c: self.preemphasized(segments, c) for c in coefficients}
        return {
            name: encoder(filtered[encoder.preemphasis])
            if name in computed
            else encoder.from_cache(cached[name])
            for name, encoder in self.encoders.items()
        }

    def preemphasized(self, segments: Tensor | None, coefficient: float) -> Tensor:
        """An encoder's input: [segments, 1 + samples] -> [segments, samples]"""
        width = 1 + self.segment_samples
        if segments is None or segments.shape[1] != width:
            shape = None if segments is None else list(segments.shape)
            raise ValueError(
                f"segments: {shape}; allowed: [segments, {width}], each after the sample before it"
            )
        return preemphasize(segments, coefficient, self.preemphasis_over)

    @torch.no_grad()
    def intermediates(
        self, segments: Tensor | None, cached: Mapping[str, Tensor] | None = None
    ) -> Intermediates:
        """The layers' results in evaluation mode; arguments as for ``forward_segments``."""
        was_training = self.training
        self.eval()
        try:
            frames = self.encode(segments, cached)
            fused = self.fusion(frames)
            return Intermediates(
                self.fusion.projections(frames),
                self.fusion.attention_weights(frames),
                fused,
                self.hidden(fused),
            )
        finally:
            self.train(was_training)

    def max_segments(self, cached: Collection[str] = ()) -> int | None:
        """The largest number of segments in one batch, see ``Encoder.max_segments``.

        Arguments
        ---------
        cached : collection of str
            The modalities whose features are cached.
        """
        computed = [encoder for name, encoder in self.encoders.items() if name not in cached]
        limits = [encoder.max_segments(self.segment_samples) for encoder in computed]
        return min((limit for limit in limits if limit is not None), default=None)

    def named_components(self) -> Iterator[tuple[str, nn.Module]]:
        """The components that have a learning rate: each modality's encoder, "fusion", "hidden"."""
        yield from self.encoders.items()
        yield "fusion", self.fusion
        yield "hidden", self.hidden


class EmotionHead(nn.Module):
    """Embeddings to log-probabilities.

    The layer is linear. So a mean of embeddings leads to the same decision as the mean of the
    segments' log-probabilities.

    Arguments
    ---------
    embedding_size : int
        Size of an embedding.
    num_classes : int
        Number of emotions.

    Example
    -------
    >>> EmotionHead(8, 4)(torch.rand(2, 8)).exp().sum(dim=1).round().tolist()
    [1.0, 1.0]
    """

    def __init__(self, embedding_size: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding_size, num_classes)

    def forward(self, embeddings: Tensor) -> Tensor:
        """[utterances, embedding_size] -> [utterances, classes]"""
        # Scores are compared to 1e-5 and averaged over epochs, so they stay in float32.
        return self.linear(embeddings).float().log_softmax(dim=-1)


def count_parameters(model: UtteranceEncoder, head: nn.Module) -> dict[str, tuple[int, int]]:
    """(all, trainable) parameters of each component, and their "total".

    Arguments
    ---------
    model : UtteranceEncoder
        The embedding model.
    head : EmotionHead
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
