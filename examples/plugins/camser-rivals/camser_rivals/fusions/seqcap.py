"""Sequential capsules and a GRU over the same maps: CNN GRU-SeqCap of Wu et al., ICASSP 2019."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor, nn
from torch.nn.functional import nll_loss, pad

from camser.encoders import FrameSpec
from camser.encoders.masks import length_mask, zero_padding
from camser_rivals.fusions.scoring import ScoringFusion
from camser_rivals.layers.capsules import length, route, squash
from camser_rivals.layers.gru_branch import GRUBranch
from camser_rivals.layers.padding import shortened
from camser_rivals.layers.scan import log_sum

WINDOW, HOP = 10, 5  # steps of the trunk: 0.4 s every 0.2 s [code]
PRIMARY_SIZE = 8  # of a window's primary capsules [code]


class SeqCap(ScoringFusion):
    """Capsules of windows, routed to capsules of the utterance, mixed with a GRU.

    The same network for each window [notes]: its maps are capsules of 8 numbers [code], which vote
    for one capsule of 16 numbers for each emotion (see ``route``). A window gives

        o = [v_1, …, v_K, |v_1|, …, |v_K|]

    The windows' o vote for the capsules of the utterance, with weights that all windows share; a
    linear layer and softmax follow [notes]. ``GRUBranch`` reads the same maps. With p of each,

        score = ln(mixture p_capsules + (1 - mixture) p_gru),

    where the mixture is 0.6 [code]. The loss is the mean of the two cross-entropies [chosen]. The
    paper's recurrent variant, which is not in the table, is left out.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of ``seqcap_trunk``; of one modality.
    num_classes : int
        Emotions.
    capsule_size : int
        Numbers of an emotion's capsule.
    hidden_size : int
        Of the GRU in each direction, and of the layer after it.
    dropout : float
        After that layer.
    iterations : int
        Of each routing; one port has 3, the other 4 [code].
    mixture : float
        See above.

    Raises
    ------
    ValueError
        If the channels are not a multiple of 8, or there are several modalities.

    Example
    -------
    >>> fusion = SeqCap({"a": FrameSpec(75, 96, "mean")}, num_classes=4)
    >>> fusion({"a": torch.rand(2, 75, 96)}).exp().sum(dim=1).round().tolist()
    [1.0, 1.0]
    """

    example_specs = MappingProxyType({"speech": FrameSpec(25, 16, "mean")})

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        num_classes: int,
        capsule_size: int = 16,
        hidden_size: int = 64,
        dropout: float = 0.5,
        iterations: int = 3,
        mixture: float = 0.6,
    ) -> None:
        super().__init__(specs, num_classes)
        channels = self.spec.channels
        if channels % PRIMARY_SIZE:
            raise ValueError(f"frames of {channels} channels; allowed: multiples of {PRIMARY_SIZE}")
        if not 0 < mixture < 1:
            raise ValueError(f"mixture is {mixture!r}; allowed: between 0 and 1")
        self.iterations, self.mixture = iterations, mixture
        primary = WINDOW * channels // PRIMARY_SIZE
        self.window_votes = _votes(primary, num_classes, PRIMARY_SIZE, capsule_size)
        size = num_classes * (capsule_size + 1)
        self.utterance_votes = _votes(num_classes, size, capsule_size)
        self.linear = nn.Linear(num_classes * capsule_size, num_classes)
        self.gru = GRUBranch(channels, hidden_size, num_classes, dropout)

    @fwd_default_precision(cast_inputs=torch.float32)
    def branches(self, frames: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-probabilities by the capsules and by the GRU, [segments, classes] each"""
        lengths = None if mask is None else mask.sum(dim=1)
        if lengths is not None:
            frames = zero_padding(frames, lengths)
        return self._capsules(frames, lengths), self.gru(frames, lengths)

    def scores(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """See ``ScoringFusion.scores``."""
        capsules, gru = self.branches(frames, mask)
        return log_sum(capsules + math.log(self.mixture), gru + math.log(1 - self.mixture))

    def losses(self, frames: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
        """See ``ScoringFusion.losses``."""
        capsules, gru = self.branches(frames, mask)
        return (
            nll_loss(capsules, labels, reduction="none") + nll_loss(gru, labels, reduction="none")
        ) / 2

    def _capsules(self, frames: Tensor, lengths: Tensor | None) -> Tensor:
        windows = self._windows(frames)
        votes = torch.einsum("nwid,ijde->nwije", windows, self.window_votes)
        emotions = route(votes.flatten(0, 1), self.iterations).unflatten(0, votes.shape[:2])
        described = torch.cat([emotions.flatten(2), length(emotions).flatten(2)], dim=2)
        counts = shortened(lengths, WINDOW, HOP)
        mask = None if counts is None else length_mask(counts, windows.shape[1])
        votes = torch.einsum("nwd,jde->nwje", described, self.utterance_votes)
        return self.linear(route(votes, self.iterations, mask).flatten(1)).log_softmax(dim=1)

    def _windows(self, frames: Tensor) -> Tensor:
        """[segments, frames, channels] -> primary capsules, [segments, windows, capsules, 8]"""
        if (missing := WINDOW - frames.shape[1]) > 0:
            frames = pad(frames, (0, 0, 0, missing))
        windows = frames.unfold(1, WINDOW, HOP).mT  # [segments, windows, steps, channels]
        return squash(windows.flatten(2).unflatten(2, (-1, PRIMARY_SIZE)))


def _votes(*sizes: int) -> nn.Parameter:
    """Weights of votes, [..., size of a capsule, size of a vote], by Xavier's rule."""
    weights = torch.empty(sizes)
    bound = math.sqrt(6 / (sizes[-1] + sizes[-2]))
    return nn.Parameter(weights.uniform_(-bound, bound))
