"""The class under test: its parameters, how it is built, its inputs, and a model with it."""

from __future__ import annotations

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
from camser.components import class_argument
from camser.encoders.base import Encoder, FrameSpec
from camser.fusion.base import Fusion
from camser.model import UtteranceEncoder
from camser.testing.dummy_encoder import DummyEncoder

Inputs = Any  # a Tensor for an encoder, a dict of them by modality for a fusion

HERE = "camser-testing"  # the distribution name of both plugins in the registry
ROWS = 3  # segments of a batch
NUM_CLASSES = 4
LENGTHS = (3 * SAMPLE_RATE, SAMPLE_RATE, 4321)  # samples: 3 s, 1 s, and an odd number
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


def accepts(encoder: Encoder, num_samples: int) -> bool:
    """Whether an encoder accepts segments of ``num_samples`` samples."""
    try:
        encoder.num_frames(num_samples)
    except ValueError:
        return False
    return True


class PluginUnderTest:
    """An encoder or a fusion under test.

    Arguments
    ---------
    cls : type
        An encoder or a fusion.
    specs : mapping of str to FrameSpec, optional
        For a fusion: the frames of its input; by default its ``example_specs``, or ``SPECS``.
    **params
        The parameters of its constructor.

    Raises
    ------
    TypeError
        If the class is neither an encoder nor a fusion, or if an encoder gets ``specs``.
    """

    def __init__(
        self, cls: type, specs: Mapping[str, FrameSpec] | None = None, /, **params: Any
    ) -> None:
        if not (isinstance(cls, type) and issubclass(cls, (Encoder, Fusion))):
            raise TypeError(
                f"{cls!r} is no encoder, fusion or back end; give a subclass of "
                f"camser.encoders.Encoder, camser.fusion.Fusion or camser.back_ends.BackEnd"
            )
        self.cls, self.params = cls, params
        self.is_encoder = issubclass(cls, Encoder)
        if self.is_encoder and specs is not None:
            raise TypeError(
                f"{cls!r} gets specs, which only fusions take; pass its parameters by name"
            )
        example = cls.example_specs if issubclass(cls, Fusion) else {}
        self.specs = dict((example or SPECS) if specs is None else specs)

    def __str__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"{self.cls.__name__}({params})"

    def build(self, seed: int = 0, params: Mapping[str, Any] | None = None) -> Any:
        """A new instance; ``params``, if any, replace the subject's own parameters."""
        torch.manual_seed(seed)
        cls: Any = self.cls
        args = () if self.is_encoder else (self.specs,)
        classes = class_argument(cls, NUM_CLASSES)
        return cls(*args, **classes, **(self.params if params is None else params))

    @property
    def gives_scores(self) -> bool:
        """Whether it is a fusion that gives class scores."""
        return getattr(self.cls, "gives_scores", False)

    def run(self, module: Callable[..., Tensor], inputs: Inputs, seed: int = 0) -> Tensor:
        """The module's output for a copy of the inputs, with the same random seed at each call.

        So a module that draws random numbers or overwrites its input fails only that one check.
        """
        torch.manual_seed(seed)
        return module(map_tensors(inputs, Tensor.clone))

    def run_training(self, module: Any, inputs: Inputs) -> Tensor:
        """What training differentiates: the output, a fusion's own losses, or both."""
        if self.is_encoder or not module.has_loss:
            return self.run(module, inputs)
        losses = self.run(lambda frames: module.loss(frames, self.labels), inputs)
        if self.gives_scores:
            return losses
        return torch.cat([self.run(module, inputs).flatten(), losses.flatten()])

    @property
    def labels(self) -> Tensor:
        """[segments], class indices for a fusion's own loss."""
        return torch.arange(ROWS) % NUM_CLASSES

    @cached_property
    def length(self) -> int:
        """Samples of a segment that the encoder accepts: one second if possible."""
        encoder = self.build()
        accepted = [n for n in (SAMPLE_RATE, *LENGTHS) if accepts(encoder, n)]
        if not accepted:
            raise ValueError(f"{self}: num_frames accepts none of {LENGTHS} samples")
        return accepted[0]

    def inputs(self) -> Inputs:
        """Noise, the same at each call: [segments, samples], or frames by modality."""
        generator = torch.Generator().manual_seed(1)
        if self.is_encoder:
            return torch.randn(ROWS, self.length, generator=generator) / 10
        return {
            name: torch.randn(ROWS, spec.num_frames, spec.channels, generator=generator)
            for name, spec in self.specs.items()
        }

    def extremes(self) -> dict[str, Inputs]:
        """Inputs, by name, that often give infinite or NaN values."""
        inputs = self.inputs()
        zeros = map_tensors(inputs, torch.zeros_like)
        constant = map_tensors(inputs, lambda tensor: torch.full_like(tensor, 0.5))
        if self.is_encoder:
            loud = (1000 * inputs).clamp(-1, 1)
            return {"silence": zeros, "a constant 0.5": constant, "noise at full scale": loud}
        large = map_tensors(inputs, lambda tensor: 100 * tensor)
        return {"zeros": zeros, "a constant 0.5": constant, "frames of 100 times the size": large}

    def model(self) -> UtteranceEncoder:
        """A complete model that contains the subject, built as from a recipe, with seed 0."""
        torch.manual_seed(0)
        with self.registered():
            return build_model(**self._recipe())

    @contextmanager
    def registered(self) -> Iterator[None]:
        """Register the subject and the dummy encoder as if they were installed."""
        kind = "encoder" if self.is_encoder else "fusion"
        dist = SimpleNamespace(name=HERE, version=metadata.version("camser"))
        points: list[Any] = [
            SimpleNamespace(
                group=registry.GROUPS[kind], name=name, dist=dist, value=str(cls),
                load=lambda cls=cls: cls,
            )
            for kind, name, cls in ((kind, "subject", self.cls), ("encoder", "dummy", DummyEncoder))
        ]  # fmt: skip
        with registry.offering(points):
            yield

    def _recipe(self) -> dict[str, Any]:
        """The arguments of ``build_model``."""
        subject = {"plugin": f"{HERE}:subject", **self.params}
        if self.is_encoder:
            encoders: dict[str, Any] = {"subject": subject}
            fusion: dict[str, Any] = {"plugin": "camser:concat", "projection_size": 8}
        else:
            dummy = {"plugin": f"{HERE}:dummy"}
            encoders = {name: {**dummy, **spec._asdict()} for name, spec in self.specs.items()}
            fusion = subject
        return {
            "modalities": list(encoders),
            "encoders": encoders,
            "fusion": "fusion",
            "fusions": {"fusion": fusion},
            "segment_seconds": self.length / SAMPLE_RATE if self.is_encoder else 1.0,
            "hidden_sizes": [] if self.gives_scores else [8],
            "num_classes": NUM_CLASSES,
            "preemphasis_over": "utterance",
        }
