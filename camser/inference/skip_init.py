"""Building a model whose weights are about to be loaded: undrawn, and within their bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.modules import module
from torch.overrides import TorchFunctionMode

# Of tensors and of torch.nn.init; by name, as transformers puts its own in their place.
SLACK_BYTES, MIN_PARAMETER_BYTES = (
    2**29,
    2**14,
)  # bytes: of what is made and dropped; what one parameter counts as
INIT_FUNCTIONS = {"kaiming_uniform_", "normal_", "uniform_"}


class SkipWeightInit(TorchFunctionMode):
    """While this is active, what would be drawn into a parameter is zero.

    Drawing the hundred million weights of a transformer takes seconds. Only parameters are left
    out, since a strict load fills every one of them; buffers, those that no file holds among them,
    are made as usual.

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
        given = kwargs or {}
        drawn = args[0] if args else given.get("tensor")
        if getattr(func, "__name__", "") in INIT_FUNCTIONS and isinstance(drawn, nn.Parameter):
            drawn.detach().zero_()
            return drawn
        return func(*args, **given)


class ModelTooLargeError(Exception):
    """A model takes more than there is for it."""


class ParameterLimit:
    """While this is active, a model may not have more parameters than a file has bytes for.

    A description that says a thousand million layers, or a layer of that size, ends with
    ``ModelTooLargeError`` as soon as it has gone beyond, not when the memory has.

    Arguments
    ---------
    num_bytes : int
        Of the file that holds all weights.

    Example
    -------
    >>> with ParameterLimit(100):
    ...     layer = nn.Linear(10**6, 10**6, device="meta")
    Traceback (most recent call last):
    camser.inference.skip_init.ModelTooLargeError: its parameters take more than the 100 bytes ...
    """

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes = num_bytes
        # A weight norm registers its weight twice; AlexNet is made whole before it is cut.
        self.left = 2 * num_bytes + SLACK_BYTES

    def __enter__(self) -> None:
        self.hook = module.register_module_parameter_registration_hook(self._count)

    def __exit__(self, *error: Any) -> None:
        self.hook.remove()

    def _count(self, owner: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None:
            self.left -= max(MIN_PARAMETER_BYTES, parameter.numel() * parameter.element_size())
        if self.left < 0:
            raise ModelTooLargeError(
                f"its parameters take more than the {self.num_bytes} bytes of its weights"
            )
