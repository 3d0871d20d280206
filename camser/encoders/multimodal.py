"""All encoders of a model: segments to the frames of each modality, and their masks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn

from camser.encoders.base import Encoder
from camser.encoders.masks import FrameMask, given, zero_padding
from camser.segments import preemphasize


class MultimodalEncoder(nn.Module):
    """Filters segments for each encoder, encodes them, and masks the frames that are padding.

    Arguments
    ---------
    encoders : mapping of str to Encoder
        The encoder of each modality, in order.
    segment_samples : int
        Length of a segment.
    preemphasis_over, mask_padding : str, bool
        As for ``UtteranceEncoder``.

    Raises
    ------
    ValueError
        If ``preemphasis_over`` is not allowed, or an encoder cannot mask padding.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        segment_samples: int,
        preemphasis_over: str = "utterance",
        mask_padding: bool = False,
    ) -> None:
        super().__init__()
        if preemphasis_over not in ("utterance", "segment"):
            raise ValueError(
                f"preemphasis_over is {preemphasis_over!r}; allowed: utterance, segment"
            )
        self.encoders: Any = nn.ModuleDict(encoders)
        self.segment_samples = segment_samples
        self.preemphasis_over = preemphasis_over
        self.mask_padding = mask_padding
        if mask_padding:
            self.frame_masks: Any = nn.ModuleDict(
                {name: _frame_mask(name, e, segment_samples) for name, e in encoders.items()}
            )

    def encode(
        self,
        segments: Tensor | None,
        cached: Mapping[str, Tensor] | None = None,
        num_samples: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Segments to frames [segments, frames, channels] by modality, see ``forward_segments``."""
        if self.mask_padding and num_samples is None:
            raise ValueError("padding is masked; give num_samples, the real ones of each segment")
        cached, real = cached or {}, given(num_samples if self.mask_padding else None)
        computed = {n: encoder for n, encoder in self.encoders.items() if n not in cached}
        coefficients = {encoder.preemphasis for encoder in computed.values()}
        filtered = {c: self.preemphasized(segments, c, *real) for c in coefficients}
        return {
            name: encoder(filtered[encoder.preemphasis], *real)
            if name in computed
            else encoder.from_cache(cached[name], *real)
            for name, encoder in self.encoders.items()
        }

    def preemphasized(
        self, segments: Tensor | None, coefficient: float, num_samples: Tensor | None = None
    ) -> Tensor:
        """An encoder's input: [segments, 1 + samples] -> [segments, samples]

        With ``num_samples``, it is 0 behind the real samples.
        """
        width = 1 + self.segment_samples
        if segments is None or segments.shape[1] != width:
            shape = None if segments is None else list(segments.shape)
            raise ValueError(
                f"segments: {shape}; allowed: [segments, {width}], each after the sample before it"
            )
        filtered = preemphasize(segments, coefficient, self.preemphasis_over)
        return filtered if num_samples is None else zero_padding(filtered, num_samples)

    def masks(
        self, frames: Mapping[str, Tensor], num_samples: Tensor | None
    ) -> dict[str, Tensor] | None:
        """The masks of the frames, [segments, frames] by modality; None if none are masked."""
        if not self.mask_padding:
            return None
        return {n: self.frame_masks[n](num_samples, f.shape[1]) for n, f in frames.items()}

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


def _frame_mask(name: str, encoder: Encoder, segment_samples: int) -> FrameMask:
    if not encoder.masks_padding:
        raise ValueError(
            f"encoder {name!r}: {type(encoder).__name__} cannot mask padding: its methods must "
            f"take num_samples; give mask_padding: false, or another encoder"
        )
    return FrameMask(encoder.num_frames, segment_samples)
