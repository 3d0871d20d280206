"""Building a model whose weights are about to be loaded, without drawing them at random first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

# Of tensors and of torch.nn.init; by name, as transformers puts its own in their place.
DRAWS = {"kaiming_uniform_", "normal_", "uniform_"}


class Unfilled(TorchFunctionMode):
    """While this is active, what would be drawn into a parameter is zero.

    Drawing the hundred million weights of a transformer takes seconds. Only parameters are left
    out, since a strict load fills every one of them; buffers, those that no file holds among them,
    are made as usual.

    Example
    -------
    >>> with Unfilled():
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
        if getattr(func, "__name__", "") in DRAWS and isinstance(drawn, nn.Parameter):
            drawn.detach().zero_()
            return drawn
        return func(*args, **given)
