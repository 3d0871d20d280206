"""Cross-modal attention between frame sequences, as a fusion of camser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from camser.encoders import FrameSpec
from camser.fusion import Fusion
from camser.fusion.pooling import RunningStandardization

STEPS = 100  # of a segment's length, which positions count in


class CrossModal(Fusion):
    """The frames of a modality query those of others (Tsai et al., 2019).

    All frames are brought to one size first. A modality's part is the mean of its frames after
    they have attended to the modalities that they query, each through a multi-head attention of
    its own. The paper has a transformer for each such pair and concatenates them; here a pair is
    one attention, and those of a modality are summed.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        What each encoder gives.
    queries : mapping of str to sequence of str, optional
        Whose frames query whose, e.g. {mfcc: [whisper]}; by default each modality queries all
        others. One that queries none goes to its part as it is.
    projection_size : int
        Channels of all frames, and features of a modality's part.
    num_heads : int
        Of each attention.
    dropout : float
        Before the projection to one size, on the attention and in the feed-forward layers.

    Raises
    ------
    ValueError
        If queries names what is no modality, or nobody to query, or the sizes do not fit.

    Example
    -------
    >>> specs = {"a": FrameSpec(4, 3, "mean"), "b": FrameSpec(5, 2, "mean")}
    >>> fusion = CrossModal(specs, queries={"a": ["b"]}, projection_size=8)
    >>> frames = {"a": torch.rand(2, 4, 3), "b": torch.rand(2, 5, 2)}
    >>> fusion(frames).shape, fusion.attention_weights(frames)["b"].shape
    (torch.Size([2, 16]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        queries: Mapping[str, Sequence[str]] | None = None,
        projection_size: int = 128,
        num_heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(specs)
        if projection_size % num_heads or projection_size % 2:
            raise ValueError(
                f"projection_size is {projection_size}; it must be even and a multiple of "
                f"num_heads, which is {num_heads}"
            )
        if queries is None:
            queries = {name: [other for other in specs if other != name] for name in specs}
        self._check(queries)
        self.project = nn.ModuleDict(
            {name: FrameProjection(spec, projection_size, dropout) for name, spec in specs.items()}
        )
        self.attend = nn.ModuleDict(
            {
                n: Attention(others, projection_size, num_heads, dropout)
                for n, others in queries.items()
            }
        )
        self.out_features = projection_size * len(specs)

    def projections(self, frames: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See ``Fusion.projections``."""
        projected = self._project(frames)
        attended = {name: block(projected, name) for name, block in self.attend.items()}
        return {name: own.mean(dim=1) for name, own in {**projected, **attended}.items()}

    def attention_weights(self, frames: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """How much each frame of a queried modality is attended to, [segments, frames].

        The mean over heads, over the frames that query, and over the modalities that they are of;
        a segment's weights sum to 1.
        """
        projected, found = self._project(frames), {}
        for name, block in self.attend.items():
            for other, weights in block.attention_weights(projected, name).items():
                found.setdefault(other, []).append(weights.mean(dim=1))
        return {n: torch.stack(found[n]).mean(dim=0) for n in self.specs if n in found}

    def _project(self, frames: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: project(frames[name]) for name, project in self.project.items()}

    def _check(self, queries: Mapping[str, Sequence[str]]) -> None:
        if len(self.specs) < 2:
            raise ValueError(
                f"the only modality is {', '.join(self.specs)}, which has none to query; take the "
                f"fusion concat"
            )
        if not isinstance(queries, Mapping) or not queries:
            raise ValueError(f"queries is {queries!r}; give a table, e.g. {{mfcc: [whisper]}}")
        self.check_modalities(queries, "queries:")
        for name, others in queries.items():
            if isinstance(others, str) or not others or len(set(others)) != len(others):
                raise ValueError(
                    f"queries: {name!r} queries {others!r}; give a list of other modalities, each "
                    f"once"
                )
            self.check_modalities(others, f"queries: of {name!r}")
            if name in others:
                raise ValueError(f"queries: {name!r} queries itself; name other modalities")


class FrameProjection(nn.Module):
    """A modality's frames to the common size, with their position in time added.

    Arguments
    ---------
    spec : FrameSpec
        The modality's frames.
    size : int
        Channels of the result.
    dropout : float
        On the input.
    """

    def __init__(self, spec: FrameSpec, size: int, dropout: float) -> None:
        super().__init__()
        self.standardize = RunningStandardization(spec.channels) if spec.standardize else None
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(spec.channels, size))
        self.norm = nn.LayerNorm(size)
        self.register_buffer("positions", positions(spec.num_frames, size), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """[segments, frames, channels] -> [segments, frames, size]"""
        if self.standardize is not None:
            frames = self.standardize(frames.flatten(0, 1)).view_as(frames)
        return self.norm(self.project(frames) + self.positions)


class Attention(nn.Module):
    """One modality's frames attend to those of others, then a feed-forward layer.

    Arguments
    ---------
    others : sequence of str
        The modalities that are queried.
    size : int
        Channels of all frames.
    num_heads : int
        Of each attention.
    dropout : float
        On the attention and in the feed-forward layer.
    """

    def __init__(self, others: Sequence[str], size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attentions = nn.ModuleDict(
            {n: nn.MultiheadAttention(size, num_heads, dropout, batch_first=True) for n in others}
        )
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(size),
            nn.Linear(size, 4 * size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4 * size, size),
        )

    def forward(self, frames: Mapping[str, Tensor], name: str) -> Tensor:
        """All frames, by modality, and the one that queries -> [segments, its frames, size]"""
        own = frames[name]
        for other, attention in self.attentions.items():
            given = frames[name], frames[other], frames[other]
            own = own + attention(*given, need_weights=False)[0]
        return own + self.feed_forward(own)

    def attention_weights(self, frames: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
        """The mean over heads, [segments, frames that query, queried frames], by modality."""
        return {
            other: attention(frames[name], frames[other], frames[other])[1]
            for other, attention in self.attentions.items()
        }


def positions(num_frames: int, size: int) -> Tensor:
    """Sinusoids of the time of each frame, [num_frames, size].

    Time is counted in segments' lengths, so that frames of the same moment have the same position
    whatever their rate.
    """
    times = STEPS * (torch.arange(num_frames) + 0.5) / num_frames
    rates = 10000 ** (-torch.arange(0, size, 2) / size)
    angles = times.unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
