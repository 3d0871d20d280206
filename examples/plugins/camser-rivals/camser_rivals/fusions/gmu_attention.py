"""Gates between two modalities, frame by frame, then attention: HNSD, Cao et al., ICASSP 2021."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from camser.encoders import FrameSpec
from camser.encoders.masks import given
from camser.fusion import Fusion
from camser.fusion.base import Frames, Masks
from camser.fusion.over_frames import mask_scores


class GMUAttention(Fusion):
    """A gated multimodal unit for each frame, and attention over the frames that it gives [notes].

    With the frames f_s and f_d of two modalities at the same time,

        h_s = tanh(W_s f_s),  h_d = tanh(W_d f_d)
        z = sigmoid(w · [f_s, f_d])                     one number
        h = z h_s + (1 - z) h_d
        a = softmax over frames of v · tanh(W h + b)
        u = sum over frames of a h

    and a linear layer of 128 with ReLU [chosen] on u. The size of h, 512, is [chosen].

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of two encoders, as many and of as many channels of each.
    size : int
        Features of h.
    attention_size : int
        Rows of W.
    projection_size : int
        Features of the fused vector.

    Raises
    ------
    ValueError
        If the modalities are not two, or their frames differ in number or size.

    Example
    -------
    >>> specs = {"static": FrameSpec(9, 4, "mean"), "dynamic": FrameSpec(9, 4, "mean")}
    >>> fusion = GMUAttention(specs, size=8)
    >>> fusion({name: torch.rand(2, 9, 4) for name in specs}).shape
    torch.Size([2, 128])
    """

    example_specs = MappingProxyType(
        {"static": FrameSpec(12, 6, "mean"), "dynamic": FrameSpec(12, 6, "mean")}
    )

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        size: int = 512,
        attention_size: int = 16,
        projection_size: int = 128,
    ) -> None:
        super().__init__(specs)
        channels = self._channels()
        self.hidden = nn.ModuleDict({n: nn.Linear(channels, size, bias=False) for n in specs})
        self.gate = nn.Linear(2 * channels, 1, bias=False)
        self.score = nn.Sequential(
            nn.Linear(size, attention_size), nn.Tanh(), nn.Linear(attention_size, 1, bias=False)
        )
        self.project = nn.Sequential(nn.Linear(size, projection_size), nn.ReLU())
        self.out_features = projection_size

    def _channels(self) -> int:
        sizes = {name: (spec.num_frames, spec.channels) for name, spec in self.specs.items()}
        if len(sizes) != 2 or len(set(sizes.values())) != 1:
            given = ", ".join(f"{name} [{t}, {c}]" for name, (t, c) in sizes.items())
            raise ValueError(
                f"frames: {given}; give two modalities of as many frames, with as many channels"
            )
        return next(iter(sizes.values()))[1]

    def forward(self, frames: Frames, masks: Masks = None) -> Tensor:
        """Frames [segments, frames, channels] by modality -> [segments, out_features]"""
        return self.project(sum(self.projections(frames, *given(masks)).values()))

    def projections(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """What each modality adds to u, [segments, size]."""
        gated = self._gated(frames)
        weights = self._weigh(gated, masks)
        return {n: torch.einsum("st,stc->sc", weights, h) for n, h in gated.items()}

    def attention_weights(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """The weights [segments, frames], the same of both modalities."""
        return dict.fromkeys(self.specs, self._weigh(self._gated(frames), masks))

    def _gated(self, frames: Frames) -> dict[str, Tensor]:
        """z h_s and (1 - z) h_d, [segments, frames, size]"""
        first, second = self.specs
        gate = self.gate(torch.cat([frames[first], frames[second]], dim=2)).sigmoid()
        gates = {first: gate, second: 1 - gate}
        return {n: gates[n] * hidden(frames[n]).tanh() for n, hidden in self.hidden.items()}

    def _weigh(self, gated: Mapping[str, Tensor], masks: Masks) -> Tensor:
        scores = self.score(sum(gated.values())).squeeze(2)
        mask = None if masks is None else masks[next(iter(self.specs))]
        return mask_scores(scores, mask).softmax(dim=1)
