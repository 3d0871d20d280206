"""Checks of a module in bfloat16, in other dtypes, on other devices, and compiled."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.overrides import TorchFunctionMode

from camser.encoders.base import Encoder
from camser.testing.assertions import (
    ConformanceError,
    expect,
    expect_finite,
    expect_same,
    first_few,
    first_line,
)
from camser.testing.plugin_under_test import Inputs, PluginUnderTest, map_tensors
from camser.training.compilation import compile_regions

# A share of the output's norm. Layers with random weights may enlarge the rounding error of
# bfloat16's 8 bits a hundred times; a larger difference is a wrong result.
BF16_TOLERANCE = 0.5
IN_FLOAT32 = "@fwd_default_precision(cast_inputs=torch.float32)"
FLOAT64_TOLERANCE = 1e-3  # of float32 from float64, a share of the largest value


@torch.no_grad()
def precision(subject: PluginUnderTest) -> None:
    """It works under bfloat16 autocast; its front end and recurrent layers stay in float32."""
    module, inputs = subject.build().eval(), subject.inputs()
    wanted = subject.run(module, inputs)
    monitor = BufferDtypeMonitor(module if subject.is_encoder else nn.Identity())
    with _recurrent_in_float32(module), torch.autocast("cpu", torch.bfloat16), monitor:
        got = subject.run(module, inputs)
    expect_finite(got, "under autocast")
    distance = float((got.float() - wanted).norm() / wanted.norm().clamp_min(1e-9))
    expect(
        distance <= BF16_TOLERANCE,
        f"under autocast the output differs by {distance:.3f} of its norm (allowed: "
        f"{BF16_TOLERANCE})",
    )
    expect(
        not monitor.lowered,
        f"under autocast the buffer {first_few(sorted(monitor.lowered))} is multiplied in "
        f"bfloat16; put {IN_FLOAT32} before the front end's forward",
    )
    if subject.is_encoder and type(module).front_end is not Encoder.front_end:
        with torch.autocast("cpu", torch.bfloat16):
            dtype = subject.run(module.front_end, inputs).dtype
        expect(dtype == torch.float32, f"under autocast front_end returns {dtype}")


@contextmanager
def _recurrent_in_float32(module: nn.Module) -> Iterator[None]:
    """Raise a ConformanceError if an LSTM, a GRU or an RNN runs under autocast.

    On a GPU PyTorch runs it in float16 even if bfloat16 was requested. Without a scaled loss many
    of its gradients are then zero. On CPUs without bfloat16 it fails.
    """

    def check(name: str, layer: nn.Module, inputs: tuple) -> None:
        expect(
            not torch.is_autocast_enabled("cpu"),
            f"{name or 'it'} ({type(layer).__name__}) runs under autocast. On a GPU autocast uses "
            f"float16 for it, and small gradients become zero; put {IN_FLOAT32} before the method "
            f"that calls it",
        )

    layers = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.RNNBase)]
    hooks = [layer.register_forward_pre_hook(partial(check, name)) for name, layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class BufferDtypeMonitor(TorchFunctionMode):
    """Records which buffers of a module, such as filter banks, are used in less than float32.

    Attributes
    ----------
    lowered : set of str
        The names of these buffers.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        buffers = dict(module.named_buffers())
        self.names = {b.untyped_storage().data_ptr(): n for n, b in buffers.items() if b.numel()}
        self.lowered: set[str] = set()

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """See the class."""
        output = function(*args, **(kwargs or {}))
        tensors = [a for a in (*args, *(kwargs or {}).values()) if isinstance(a, Tensor)]
        floats = {a.untyped_storage().data_ptr(): a.dtype for a in tensors if a.is_floating_point()}
        is_lowered = isinstance(output, Tensor) and output.dtype == torch.bfloat16
        if is_lowered and set(floats.values()) == {torch.float32}:
            self.lowered |= {self.names[address] for address in floats if address in self.names}
        return output


@torch.no_grad()
def device(subject: PluginUnderTest) -> None:
    """It can be copied, and it runs in another dtype and on another device."""
    module, inputs = subject.build().eval(), subject.inputs()
    wanted = subject.run(module, inputs)
    copied = copy.deepcopy(module)
    shared = {id(p) for p in module.parameters()} & {id(p) for p in copied.parameters()}
    expect(not shared, "its deepcopy shares parameters with the original")
    expect_same(subject.run(copied, inputs), wanted, "the output of its deepcopy differs")
    got = subject.run(copied.double(), map_tensors(inputs, Tensor.double))
    expect_same(got, wanted, "in float64 the output differs", FLOAT64_TOLERANCE)
    check_on_device(subject, "meta", wanted)
    if torch.cuda.is_available():
        check_on_device(subject, "cuda", wanted)


def check_on_device(
    subject: PluginUnderTest, device_type: str, wanted: Tensor, more: Inputs | None = None
) -> None:
    """Run on another device. The "meta" device of torch computes only shapes and always exists.

    ``more`` is a second argument: the numbers of real samples, or masks.
    """
    module = subject.build().eval().to(device_type)

    def move(inputs: Inputs) -> Inputs:
        return map_tensors(inputs, lambda tensor: tensor.to(device_type))

    real = () if more is None else (move(more),)
    try:
        with autocast_knows_meta():
            got = subject.run(lambda inputs: module(inputs, *real), move(subject.inputs()))
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise ConformanceError(
            f"on the device {device_type!r}: {first_line(error)}. Either a tensor stays on its "
            f"old device: make it a buffer (register_buffer(…, persistent=False)); or forward "
            f"reads values on the host (.item(), .numpy(), .cpu()), which makes each step wait"
        ) from error
    facts = [(list(output.shape), output.device.type) for output in (got, wanted)]
    declared = (facts[1][0], device_type)
    expect(facts[0] == declared, f"the output's shape and device are {facts[0]}, not {declared}")


def autocast_knows_meta() -> Any:
    """Answer queries of the autocast state, as by fwd_default_precision, on the meta device too."""
    enabled, dtype = torch.is_autocast_enabled, torch.get_autocast_dtype
    return mock.patch.multiple(
        torch,
        is_autocast_enabled=lambda *kind: kind != ("meta",) and enabled(*kind),
        get_autocast_dtype=lambda kind: torch.bfloat16 if kind == "meta" else dtype(kind),
    )


def compile(subject: PluginUnderTest) -> str | None:
    """torch.compile gives the same output, and gradients; each declared region is one graph."""
    module, inputs = subject.build().eval(), subject.inputs()
    torch._dynamo.reset()
    counters.clear()
    compiled: Any = torch.compile(module, backend="aot_eager")  # everything except code generation
    with torch.no_grad():
        wanted, got = subject.run(module, inputs), subject.run(compiled, inputs)
    expect_same(got, wanted, "compiled, the output differs")
    output = subject.run(compiled.train(), inputs)
    if output.requires_grad:
        output.sum().backward()
    breaks = {first_line(reason): count for reason, count in counters["graph_break"].items()}
    _regions(subject)
    return f"graph breaks: {sum(breaks.values())} ({first_few(breaks)})" if breaks else None


def _regions(subject: PluginUnderTest) -> None:
    """Check that each declared region is one graph, in training and in evaluation."""
    plain, module, inputs = subject.build(), subject.build(), subject.inputs()
    torch._dynamo.reset()
    try:
        regions = compile_regions(module, backend="eager")  # the same kernels, so the same values
        for mode in (True, False) if regions else ():
            got = subject.run(module.train(mode), inputs)
            wanted = subject.run(plain.train(mode), inputs)
            expect_same(
                got.detach(),
                wanted.detach(),
                f"with the regions {first_few(regions)} compiled, the output differs",
            )
            if got.requires_grad:
                got.sum().backward()
    except (ValueError, torch._dynamo.exc.TorchDynamoException) as error:
        raise ConformanceError(
            f"compiled_submodules is {module.compiled_submodules}, but not every region is one "
            f"graph: {first_line(error)}. Name smaller modules, or leave out those with "
            f"graph breaks"
        ) from error
