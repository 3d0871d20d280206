"""All encoders of a model: segments to the frames of each modality, and their masks."""

from __future__ import annotations

from bisect import bisect_left
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
    preemphasis_over, mask_padding, whole_utterances : str, bool, bool
        As for ``UtteranceEncoder``.

    Raises
    ------
    ValueError
        If ``preemphasis_over`` is not allowed, or an encoder cannot mask padding.

    Attributes
    ----------
    trims_padding : bool
        Whether a batch is only as long as its longest segment: segments are whole utterances, and
        padding is masked.
    min_samples : int
        Shorter batches are padded to this length, which all encoders take.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        segment_samples: int,
        preemphasis_over: str = "utterance",
        mask_padding: bool = False,
        whole_utterances: bool = False,
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
        self.trims_padding = whole_utterances and mask_padding
        self.min_samples = _shortest(encoders, segment_samples) if self.trims_padding else 0
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
        if segments is None or not self._fits(segments.shape[1], width):
            shape = None if segments is None else list(segments.shape)
            up_to = "up to " if self.trims_padding else ""
            raise ValueError(
                f"segments: {shape}; allowed: [segments, {up_to}{width}], each after the sample "
                f"before it"
            )
        filtered = preemphasize(segments, coefficient, self.preemphasis_over)
        if num_samples is None:
            return filtered
        filtered = zero_padding(filtered, num_samples)
        missing = self.min_samples - filtered.shape[1]
        return nn.functional.pad(filtered, (0, missing)) if missing > 0 else filtered

    def _fits(self, width: int, longest: int) -> bool:
        return 1 < width <= longest if self.trims_padding else width == longest

    def padded_samples(self, longest: int) -> int:
        """The length of a batch whose longest segment has ``longest`` real samples."""
        return max(longest, self.min_samples) if self.trims_padding else self.segment_samples

    def masks(
        self, frames: Mapping[str, Tensor], num_samples: Tensor | None
    ) -> dict[str, Tensor] | None:
        """The masks of the frames, [segments, frames] by modality; None if none are masked."""
        if not self.mask_padding:
            return None
        return {n: self.frame_masks[n](num_samples, f.shape[1]) for n, f in frames.items()}

    def max_segments(self, cached: Collection[str] = (), longest: int | None = None) -> int | None:
        """The largest number of segments in one batch, see ``Encoder.max_segments``.

        Arguments
        ---------
        cached : collection of str
            The modalities whose features are cached.
        longest : int, optional
            The real samples of the longest segment; by default ``segment_samples``.
        """
        size = self.padded_samples(longest or self.segment_samples)
        computed = [encoder for name, encoder in self.encoders.items() if name not in cached]
        limits = [encoder.max_segments(size) for encoder in computed]
        return min((limit for limit in limits if limit is not None), default=None)


def _shortest(encoders: Mapping[str, Encoder], longest: int) -> int:
    """The number of samples of the shortest segment that all encoders take."""

    def is_taken(num_samples: int) -> bool:
        try:
            return all(encoder.num_frames(num_samples) for encoder in encoders.values())
        except ValueError:
            return False

    return bisect_left(range(longest + 1), True, lo=1, key=is_taken)


def _frame_mask(name: str, encoder: Encoder, segment_samples: int) -> FrameMask:
    if not encoder.masks_padding:
        raise ValueError(
            f"encoder {name!r}: {type(encoder).__name__} cannot mask padding: its methods must "
            f"take num_samples; give mask_padding: false, or another encoder"
        )
    return FrameMask(encoder.num_frames, segment_samples)
