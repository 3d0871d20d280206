"""The interface of every encoder, and the outputs that can be cached."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import Tensor, nn

from camser.encoders.masks import given, take


class FrameSpec(NamedTuple):
    """The frames that a fusion gets from one encoder for each segment, or for the longest.

    ``projection_size`` is the size of the modality's projection; None: the fusion's own.
    """

    num_frames: int
    channels: int
    pooling: str
    standardize: bool = False
    projection_size: int | None = None


class Encoder(nn.Module):
    """A modality: raw segments to frames. The front end is included.

    A subclass sets ``out_channels`` and defines ``forward``, ``num_frames`` and ``init_config``.
    Segments are float32, mono, 16 kHz, in [-1, 1]. If ``preemphasis`` is not 0, they are
    filtered already: the model filters as if over the complete utterance, and an encoder does not
    filter them itself.

    If the front end has no trained parameters, a subclass may define ``front_end`` and
    ``back_end`` instead of ``forward``. The front end then runs only once per corpus.

    If these methods also take ``num_samples``, [segments], the encoder can be used where padding is
    masked. A model with ``mask_padding`` passes the number of real samples of each segment. The
    frames of these samples must not depend on the silence behind them: they are the same as for a
    segment that ends there.

    Attributes
    ----------
    out_channels : int
        Channels of a frame.
    preemphasis : float
        The coefficient c of the filter y[n] = x[n] - c * x[n-1]; 0 disables it.
    pooling : str
        The default pooling where a fusion needs one vector: "flatten", "mean", "last" or
        "statistics".
    standardize : bool
        Whether the features of that vector are standardized to zero mean and unit variance.
    has_augmentation : bool
        Whether training is random before the last frozen layer. Then frozen frames cannot be
        cached.
    cached_steps_dim : int
        The dimension of ``cacheable_output`` that is time.
    compiled_submodules : tuple of str
        The submodules to compile with torch.compile. Each is one graph without breaks, with one
        size in training and one in evaluation. Paths such as "layers.*"; "" is the module itself.
    expected_failures : mapping of str to str
        The checks of ``camser.testing`` that this class cannot pass, each with its reason.
    """

    out_channels: int
    preemphasis: float = 0.0
    pooling: str = "mean"
    standardize: bool = False
    has_augmentation: bool = False
    cached_steps_dim: int = 1
    compiled_submodules: tuple[str, ...] = ()
    expected_failures: Mapping[str, str] = MappingProxyType({})
    _frozen: tuple[nn.Module, ...] = ()

    def forward(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, frames, channels]"""
        real = given(num_samples)
        return self.back_end(self.front_end(segments, *real), *real)

    def front_end(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """[segments, samples] -> [segments, …]; depends only on the audio and the constructor."""
        raise NotImplementedError

    def back_end(self, features: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """The output of ``front_end`` -> [segments, frames, channels]"""
        raise NotImplementedError

    @property
    def masks_padding(self) -> bool:
        """Whether it takes ``num_samples``, so that padding can be masked."""
        has_own_forward = type(self).forward is not Encoder.forward
        methods = [self.forward] if has_own_forward else [self.front_end, self.back_end]
        return take("num_samples", methods)

    def num_frames(self, num_samples: int) -> int:
        """The number of frames of a segment of ``num_samples``."""
        raise NotImplementedError

    def max_segments(self, num_samples: int) -> int | None:
        """The largest number of segments of ``num_samples`` in one batch; None: as many as fit."""
        return None

    def init_config(self) -> dict[str, Any]:
        """Plain YAML values that rebuild this architecture offline, without weights."""
        raise NotImplementedError(
            f"{type(self).__name__} must define init_config; it returns the constructor's "
            f"arguments that rebuild the architecture without weights, for an exported model"
        )

    def frame_spec(self, num_samples: int) -> FrameSpec:
        """The specification of this encoder's frames for segments of ``num_samples``."""
        frames = self.num_frames(num_samples)
        return FrameSpec(frames, self.out_channels, self.pooling, self.standardize)

    @property
    def is_frozen(self) -> bool:
        """Whether the frames depend on the audio alone: all is frozen and nothing is random."""
        return not self.has_augmentation and not any(p.requires_grad for p in self.parameters())

    @property
    def is_cacheable(self) -> bool:
        """Whether an output depends on the audio alone, so that it can be cached."""
        return self.is_frozen or type(self).front_end is not Encoder.front_end

    def cacheable_output(self, segments: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """The output that can be cached: [segments, samples] -> [segments, …]"""
        compute = self if self.is_frozen else self.front_end
        return compute(segments, *given(num_samples))

    def from_cache(self, cached: Tensor, num_samples: Tensor | None = None) -> Tensor:
        """From cached output to frames: [segments, …] -> [segments, frames, channels]"""
        return cached if self.is_frozen else self.back_end(cached, *given(num_samples))

    def num_cached_steps(self, num_samples: int) -> int:
        """The steps in time of ``cacheable_output``; by default as many as there are frames."""
        return self.num_frames(num_samples)

    def freeze(self, module: nn.Module) -> None:
        """Freeze a component of this encoder: no gradients, always in evaluation mode."""
        module.requires_grad_(False).eval()
        self._frozen = (*self._frozen, module)

    def train(self, mode: bool = True) -> Encoder:
        """Training mode for all but the frozen components.

        SpeechBrain calls ``train()`` on the complete model. That would switch on the dropout of a
        frozen network.
        """
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self
