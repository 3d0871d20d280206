"""Build a model whose weights are loaded next: no random initialization, limited size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.modules import module
from torch.overrides import TorchFunctionMode

# Bytes: for parameters that are made and dropped again; the least that one parameter counts.
SLACK_BYTES, MIN_PARAMETER_BYTES = 2**29, 2**14
# Of tensors and of torch.nn.init; compared by name, since transformers replaces the functions.
INIT_FUNCTIONS = {"kaiming_uniform_", "normal_", "uniform_"}


class SkipWeightInit(TorchFunctionMode):
    """While this is active, random initialization sets parameters to zero.

    Random values for the hundred million weights of a transformer take seconds. Only parameters
    are skipped, since a strict load replaces all of them. Buffers are made as usual, since some are
    not in the weights file.

    Example
    -------
    >>> with SkipWeightInit():
    ...     layers = nn.BatchNorm1d(2), nn.Linear(2, 1)
    >>> layers[0].running_var.tolist(), layers[1].weight.tolist()
    ([1.0, 1.0], [[0.0, 0.0]])
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """See the class."""
        options = kwargs or {}
        target = args[0] if args else options.get("tensor")
        if getattr(func, "__name__", "") in INIT_FUNCTIONS and isinstance(target, nn.Parameter):
            target.detach().zero_()
            return target
        return func(*args, **options)


class ModelTooLargeError(Exception):
    """The parameters of a model need more bytes than its weights file has."""


class ParameterLimit:
    """While this is active, a model may not have more parameters than a file has bytes for.

    A description with a billion layers, or with one layer of that size, raises
    ``ModelTooLargeError`` when it exceeds the limit, before the memory is full.

    Arguments
    ---------
    num_bytes : int
        Size of the file with all weights.

    Example
    -------
    >>> with ParameterLimit(100):
    ...     layer = nn.Linear(10**6, 10**6, device="meta")
    Traceback (most recent call last):
    camser.inference.skip_init.ModelTooLargeError: its parameters take more than the 100 bytes ...
    """

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes = num_bytes
        # A weight norm registers its weight twice; AlexNet is built completely before it is cut.
        self.left = 2 * num_bytes + SLACK_BYTES

    def __enter__(self) -> None:
        self.hook = module.register_module_parameter_registration_hook(self._count)

    def __exit__(self, *error: Any) -> None:
        self.hook.remove()

    def _count(self, parent: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None:
            self.left -= max(MIN_PARAMETER_BYTES, parameter.numel() * parameter.element_size())
        if self.left < 0:
            raise ModelTooLargeError(
                f"its parameters take more than the {self.num_bytes} bytes of its weights"
            )
