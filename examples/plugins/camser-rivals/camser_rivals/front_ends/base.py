"""What every front end is: frames of features, one a hop, for as many samples as are real."""

from __future__ import annotations

import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import Tensor, nn
from torch.nn.functional import pad

from camser.encoders.front_end import segment_by_segment_on_cpu
from camser.encoders.masks import given

SAMPLE_RATE, WINDOW_SAMPLES, HOP_SAMPLES = 16000, 400, 160  # 25 ms every 10 ms


class FrontEnd(nn.Module):
    """Segments to frames of features, in float32; a subclass defines ``compute``.

    Frame t begins at sample ``hop_samples * t``. Zeros follow the segment, so that each whole hop
    has a frame: 48000 samples have 300 frames of 10 ms, however long the window is.

    Arguments
    ---------
    window_samples, hop_samples : int
        The length of a window, and the step between two; 25 ms and 10 ms, unless they are given.

    Attributes
    ----------
    num_features : int
        Size of a frame.
    """

    num_features: int

    def __init__(
        self, window_samples: int = WINDOW_SAMPLES, hop_samples: int = HOP_SAMPLES
    ) -> None:
        super().__init__()
        self.window_samples, self.hop_samples = window_samples, hop_samples

    @fwd_default_precision(cast_inputs=torch.float32)
    def forward(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, frames, num_features]

        With ``num_samples`` [segments], frames of so many samples are as if no others followed.
        """
        return segment_by_segment_on_cpu(self.compute, segments, *given(num_samples))

    def compute(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """See ``forward``; each segment independently."""
        raise NotImplementedError

    def num_frames(self, num_samples: int) -> int:
        """One frame per hop; a segment has at least one."""
        if num_samples < self.hop_samples:
            raise ValueError(
                f"a segment of {num_samples} samples; allowed: {self.hop_samples} and more"
            )
        return num_samples // self.hop_samples

    def real_frames(self, num_samples: Tensor) -> Tensor:
        """``num_frames`` of several segments, [segments]; at least 1."""
        return (num_samples // self.hop_samples).clamp(min=1)

    def framed(self, segments: Tensor) -> Tensor:
        """[segments, samples] -> [segments, frames, samples of a window]"""
        padded = pad(segments, (0, self.window_samples - self.hop_samples))
        return padded.unfold(1, self.window_samples, self.hop_samples)

    def counts(self, frames: Tensor, num_samples: Tensor | None) -> Tensor:
        """How many of the ``frames`` [segments, frames, …] are real, [segments]: by default all."""
        if num_samples is not None:
            return self.real_frames(num_samples)
        return torch.full(frames.shape[:1], frames.shape[1], device=frames.device)
