"""The class under test: its parameters, how it is built, its inputs, and a model with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from camser import registry
from camser.audio import SAMPLE_RATE
from camser.build import build_model
from camser.encoders.base import Encoder, FrameSpec
from camser.fusion.base import Fusion
from camser.model import UtteranceEncoder
from camser.testing.dummy_encoder import DummyEncoder

Inputs = Tensor | dict[str, Tensor]

HERE = "camser-testing"  # the distribution name of both plugins in the registry
SUBJECT, STAND_IN = f"{HERE}:subject", f"{HERE}:stand_in"
ROWS = 3  # segments of a batch
LENGTHS = (48000, 16000, 4321)  # samples: 3 s, 1 s, and an odd number
SPECS = {
    "mfcc": FrameSpec(12, 6, "flatten"),
    "spectrogram": FrameSpec(5, 8, "flatten"),
    "wav2vec2": FrameSpec(9, 7, "mean"),
}


def map_tensors(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    """The inputs with each tensor changed."""
    if isinstance(inputs, Tensor):
        return change(inputs)
    return {name: change(tensor) for name, tensor in inputs.items()}


class PluginUnderTest(ABC):
    """A class under test.

    Arguments
    ---------
    cls : type
        An encoder or a fusion.
    params : dict
        The parameters of its constructor.
    """

    kind: str

    def __init__(self, cls: type, params: Mapping[str, Any]) -> None:
        self.cls, self.params = cls, dict(params)

    def __str__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"{self.cls.__name__}({params})"

    def build(self, seed: int = 0, params: Mapping[str, Any] | None = None) -> Any:
        """A new instance; ``params``, if any, replace the subject's own parameters."""
        torch.manual_seed(seed)
        return self.cls(*self.given(), **(self.params if params is None else params))

    def run(self, module: Callable[..., Tensor], inputs: Inputs, seed: int = 0) -> Tensor:
        """The module's output for a copy of the inputs, with the same random seed at each call.

        So a module that draws random numbers or overwrites its input fails only that one check.
        """
        torch.manual_seed(seed)
        return module(map_tensors(inputs, Tensor.clone))

    def model(self, seed: int = 0) -> UtteranceEncoder:
        """A complete model that contains the subject, built as from a recipe."""
        torch.manual_seed(seed)
        with self.registered():
            return build_model(**self.recipe())

    @contextmanager
    def registered(self) -> Iterator[None]:
        """Register the subject and the stand-in for other plugins as if they were installed."""
        classes = {("encoder", "stand_in"): DummyEncoder, (self.kind, "subject"): self.cls}
        dist = SimpleNamespace(name=HERE, version=metadata.version("camser"))
        points: list[Any] = [
            SimpleNamespace(
                group=registry.GROUPS[kind], name=name, dist=dist, value=str(cls),
                load=lambda cls=cls: cls,
            )
            for (kind, name), cls in classes.items()
        ]  # fmt: skip
        with registry.offering(points):
            yield

    @abstractmethod
    def given(self) -> tuple:
        """The positional arguments of the constructor, before its parameters."""

    @abstractmethod
    def inputs(self, scale: float = 0.1) -> Inputs:
        """Noise; the same at each call."""

    @abstractmethod
    def extremes(self) -> Mapping[str, Inputs]:
        """Inputs, by name, that often give infinite or NaN values."""

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """The arguments of ``build_model`` for a model with the subject."""


class EncoderUnderTest(PluginUnderTest):
    """An encoder class."""

    kind = "encoder"

    def given(self) -> tuple:
        """No arguments."""
        return ()

    def inputs(self, scale: float = 0.1) -> Tensor:
        """Segments of noise, [segments, samples]"""
        generator = torch.Generator().manual_seed(1)
        return scale * torch.randn(ROWS, self.length, generator=generator)

    def extremes(self) -> dict[str, Tensor]:
        """Silence, noise at full scale, and a constant."""
        silence = torch.zeros(ROWS, self.length)
        noise = self.inputs(100.0).clamp(-1, 1)
        return {"silence": silence, "noise at full scale": noise, "a constant 0.5": silence + 0.5}

    @cached_property
    def length(self) -> int:
        """Samples of a segment that the encoder accepts: one second if possible."""
        encoder = self.build()
        accepted = [n for n in (16000, *LENGTHS) if accepts(encoder, n)]
        if not accepted:
            raise ValueError(f"{self}: num_frames accepts none of {LENGTHS} samples")
        return accepted[0]

    def recipe(self) -> dict[str, Any]:
        """A model with this one encoder and the fusion ``concat``."""
        return {
            "modalities": ["subject"],
            "encoders": {"subject": {"plugin": SUBJECT, **self.params}},
            "fusion": "concat",
            "fusions": {"concat": {"plugin": "camser:concat", "projection_size": 8}},
            "segment_seconds": self.length / SAMPLE_RATE,
            "hidden_sizes": [8],
        }


class FusionUnderTest(PluginUnderTest):
    """A fusion class and the specifications of its input frames."""

    kind = "fusion"

    def __init__(
        self, cls: type, params: Mapping[str, Any], specs: Mapping[str, FrameSpec] | None = None
    ) -> None:
        super().__init__(cls, params)
        self.specs = dict(SPECS if specs is None else specs)

    def given(self) -> tuple:
        """The specifications of the frames."""
        return (self.specs,)

    def inputs(self, scale: float = 1.0) -> dict[str, Tensor]:
        """Frames of noise, [segments, frames, channels] each."""
        generator = torch.Generator().manual_seed(1)
        return {
            name: scale * torch.randn(ROWS, spec.num_frames, spec.channels, generator=generator)
            for name, spec in self.specs.items()
        }

    def extremes(self) -> dict[str, Inputs]:
        """Frames of zeros, of ones, and large frames."""
        zeros = map_tensors(self.inputs(), torch.zeros_like)
        ones = map_tensors(zeros, torch.ones_like)
        return {"zeros": zeros, "ones": ones, "frames a hundred times as large": self.inputs(100.0)}

    def recipe(self) -> dict[str, Any]:
        """A model with the fusion and with encoders that return such frames."""
        return {
            "modalities": list(self.specs),
            "encoders": {
                name: {"plugin": STAND_IN, **spec._asdict()} for name, spec in self.specs.items()
            },
            "fusion": "subject",
            "fusions": {"subject": {"plugin": SUBJECT, **self.params}},
            "segment_seconds": 1.0,
            "hidden_sizes": [8],
        }


def plugin_under_test(
    cls: type, specs: Mapping[str, FrameSpec] | None = None, /, **params: Any
) -> PluginUnderTest:
    """The subject for a class.

    Raises
    ------
    TypeError
        If the class is neither an encoder nor a fusion, or if an encoder gets ``specs``.
    """
    if isinstance(cls, type) and issubclass(cls, Fusion):
        return FusionUnderTest(cls, params, specs)
    if isinstance(cls, type) and issubclass(cls, Encoder) and specs is None:
        return EncoderUnderTest(cls, params)
    if specs is not None:
        raise TypeError(f"{cls!r} gets specs, which only fusions take; pass its parameters by name")
    raise TypeError(
        f"{cls!r} is neither an encoder nor a fusion; give a subclass of "
        f"camser.encoders.Encoder or camser.fusion.Fusion"
    )


def accepts(encoder: Encoder, num_samples: int) -> bool:
    """Whether an encoder accepts segments of ``num_samples`` samples."""
    try:
        encoder.num_frames(num_samples)
    except ValueError:
        return False
    return True
