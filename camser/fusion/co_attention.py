"""Co-attention (section 2.3 of Zou et al., 2022): guides give weights to a target's frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from camser.encoders.base import FrameSpec
from camser.encoders.masks import given
from camser.fusion.base import Frames, Fusion, Masks
from camser.fusion.over_frames import mask_scores
from camser.fusion.pooling import PooledProjection, Projection, project_each

ACTIVATIONS = ("relu", "softmax")


class CoAttention(Fusion):
    """From the guides' vectors, computes one attention weight for each frame of the target.

    Arguments
    ---------
    specs : mapping of str to FrameSpec
        The frames of each encoder, by modality.
    guides : sequence of str
        The modalities that determine the weights.
    target : str
        The modality whose frames are weighted.
    output_modalities : sequence of str, optional
        The modalities whose projections go to the head, all by default. The four "w/ co-att" rows
        of Table 2 differ only in this.
    activation : str
        "relu", as published, or "softmax" over the frames.
    projection_size : int
        Features of a modality's projection, where its ``FrameSpec`` has no other.
    dropout : float
        Dropout before each projection and before the layer that computes the weights.
    pooling : mapping of str to str, optional
        By modality, replaces the encoder's own pooling. The target is weighted instead of pooled.
    even_start : bool
        Whether the layer that computes the weights begins with zeros, so that all frames have the
        same weight at first; only with "softmax". By default, it begins at random, as published.

    Raises
    ------
    ValueError
        If guides, target, output_modalities or pooling name an unknown modality, or a modality
        would be computed but not used.

    Example
    -------
    >>> specs = {"a": FrameSpec(4, 3, "mean"), "b": FrameSpec(5, 2, "mean")}
    >>> fusion = CoAttention(specs, guides=["a"], target="b", projection_size=8)
    >>> frames = {"a": torch.rand(2, 4, 3), "b": torch.rand(2, 5, 2)}
    >>> fusion(frames).shape, fusion.attention_weights(frames)["b"].shape
    (torch.Size([2, 16]), torch.Size([2, 5]))
    """

    compiled_submodules = ("",)

    def __init__(
        self,
        specs: Mapping[str, FrameSpec],
        guides: Sequence[str],
        target: str,
        output_modalities: Sequence[str] | None = None,
        activation: str = "relu",
        projection_size: int = 128,
        dropout: float = 0.1,
        pooling: Mapping[str, str] | None = None,
        even_start: bool = False,
    ) -> None:
        super().__init__(specs)
        if isinstance(guides, str) or isinstance(output_modalities, str):
            raise ValueError(
                f"guides is {guides!r}, output_modalities is {output_modalities!r}; give "
                f"lists, e.g. [mfcc]"
            )
        self.guides, self.target = list(guides), target
        self.output_modalities = list(specs)
        if output_modalities is not None:
            self.output_modalities = [name for name in specs if name in output_modalities]
        self.activation = activation
        self._check(output_modalities or (), even_start)
        specs = self.specs_with_pooling(pooling or {})
        sizes = self.projection_sizes(projection_size)
        self.pooled = nn.ModuleDict(
            {
                name: PooledProjection(spec, sizes[name], dropout)
                for name, spec in specs.items()
                if name != target
            }
        )
        spec, guide_size = specs[target], sum(sizes[name] for name in self.guides)
        score = nn.Linear(guide_size, spec.num_frames)
        if even_start:
            nn.init.zeros_(score.weight)
            nn.init.zeros_(score.bias)
        self.attend = nn.Sequential(nn.Dropout(dropout), score)
        self.project = Projection(spec.channels, sizes[target], dropout, spec.standardize)
        self.out_features = sum(sizes[name] for name in self.output_modalities)

    def forward(self, frames: Frames, masks: Masks = None) -> Tensor:
        """Frames [segments, frames, channels] by modality -> [segments, out_features]"""
        projections = self.projections(frames, *given(masks))
        outputs = [projections[name] for name in self.output_modalities]
        return torch.cat(outputs, dim=1)  # x' of eq. 6

    def projections(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """See ``Fusion.projections``; for the target, its projected weighted sum over frames."""
        vectors = project_each(self.pooled, frames, masks)  # eqs. 1 and 2
        weights = self._weights(vectors, frames, masks)  # eq. 4
        weighted = torch.einsum("st,stc->sc", weights, frames[self.target])  # eq. 5
        vectors[self.target] = self.project(weighted)
        return {name: vectors[name] for name in self.specs}

    def attention_weights(self, frames: Frames, masks: Masks = None) -> dict[str, Tensor]:
        """The attention weights of the target's frames, [segments, frames]."""
        guides = {name: self.pooled[name] for name in self.guides}
        vectors = project_each(guides, frames, masks)
        return {self.target: self._weights(vectors, frames, masks)}

    def _weights(self, vectors: Mapping[str, Tensor], frames: Frames, masks: Masks) -> Tensor:
        scores = self.attend(torch.cat([vectors[name] for name in self.guides], dim=1))
        scores = scores[:, : frames[self.target].shape[1]]  # all of them, unless padding is masked
        scores = mask_scores(scores, masks[self.target] if masks else None)
        return scores.relu() if self.activation == "relu" else scores.softmax(dim=1)

    def _check(self, outputs: Sequence[str], even_start: bool) -> None:
        if len(set(self.guides)) != len(self.guides):
            raise ValueError(f"guides is {self.guides}; name each modality only once")
        self.check_modalities(self.guides, "guide")
        self.check_modalities([self.target], "target")
        self.check_modalities(outputs, "output_modalities'")
        if not self.guides or self.target in self.guides:
            raise ValueError(
                f"the guides are {self.guides}; they must name at least one "
                f"modality other than the target {self.target!r}"
            )
        if self.target not in self.output_modalities:
            raise ValueError(
                f"output_modalities is {list(outputs)}; without the target {self.target!r} "
                f"the attention weights would not be used; add it to output_modalities"
            )
        unused = [n for n in self.specs if n not in (*self.guides, *self.output_modalities)]
        if unused:
            raise ValueError(
                f"{', '.join(unused)} is neither in guides nor in output_modalities; "
                f"remove it from the modalities, or add it to guides or output_modalities"
            )
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation is {self.activation!r}; allowed: {', '.join(ACTIVATIONS)}"
            )
        if not isinstance(even_start, bool) or (even_start and self.activation == "relu"):
            raise ValueError(
                f"even_start is {even_start!r} with activation {self.activation!r}; allowed: "
                f"false, or true with softmax (ReLU has no gradient where all weights begin at 0)"
            )
