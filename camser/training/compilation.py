"""Compiled regions: submodules that torch.compile compiles as one graph of fixed sizes.

Encoders and fusions name them in ``compiled_submodules``. All else runs uncompiled: LSTMs, which
cuDNN runs faster, and front ends, whose complex numbers the compiler does not compile anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatchcase

import torch
from torch import nn

logger = logging.getLogger(__name__)


def find_regions(module: nn.Module) -> dict[str, nn.Module]:
    """The regions that a module and its submodules declare, by their names within it.

    Arguments
    ---------
    module : Module
        A model, an encoder or a fusion.

    Raises
    ------
    ValueError
        If a pattern names no submodule, or one of torch's own classes, which torch.compile skips.

    Example
    -------
    >>> class Block(nn.Linear):
    ...     def forward(self, x):
    ...         return super().forward(x).relu()
    >>> class Stack(nn.Sequential):
    ...     compiled_submodules = ("*",)
    >>> list(find_regions(Stack(Block(2, 2), Block(2, 2))))
    ['0', '1']
    """
    regions = {}
    for path, parent in module.named_modules():
        for pattern in getattr(parent, "compiled_submodules", ()):
            matching = dict(_matching(parent, pattern))
            if not matching:
                raise ValueError(
                    f"{type(parent).__name__}.compiled_submodules names {pattern!r}, but no "
                    f'submodule has this name; name existing submodules, or "" for itself'
                )
            for name, region in matching.items():
                _check_is_user_module(parent, name, region)
                regions[".".join(filter(None, (path, name)))] = region
    return regions


def compile_regions(module: nn.Module, backend: str | Callable = "inductor") -> list[str]:
    """Compile a module's regions in place: names, states and copies stay as they are.

    Nothing is compiled before the first call; layers that are alike share the compiled code. A
    model that trims padding is left as it is: each of its batches has another length.

    Arguments
    ---------
    module : Module
        A model, an encoder or a fusion.
    backend : str or callable
        torch.compile's; "eager" checks quickly that each region is one complete graph.

    Returns
    -------
    list of str
        The names of the regions.
    """
    if getattr(module, "trims_padding", False):
        logger.info("nothing is compiled: each batch has the length of its longest segment")
        return []
    regions = find_regions(module)
    # Regions of one class share a cache; layers that differ in a number are compiled separately.
    limit = torch._dynamo.config.recompile_limit
    torch._dynamo.config.recompile_limit = max(limit, 8 + 2 * len(regions))
    for region in regions.values():
        region.compile(fullgraph=True, dynamic=False, backend=backend)
    logger.info("compiled when they first run: %s", ", ".join(regions) or "nothing")
    return list(regions)


def eager_unless_full_batch(is_full: bool) -> AbstractContextManager:
    """A context for a forward pass: a batch that is not full, as an epoch's last, runs uncompiled.

    Compiling for each other size would take longer than the batch itself.
    """
    return nullcontext() if is_full else torch.compiler.set_stance("force_eager")


def _check_is_user_module(parent: nn.Module, name: str, region: nn.Module) -> None:
    if type(region).forward.__module__.startswith("torch."):
        raise ValueError(
            f"{type(parent).__name__}.compiled_submodules names {name!r}, which is a "
            f"{type(region).__name__} of torch's own; torch.compile would skip it: name the "
            f"module that contains it, or give it a class with a forward"
        )


def _matching(parent: nn.Module, pattern: str) -> Iterator[tuple[str, nn.Module]]:
    """Submodules by a pattern in which a * stands for one name, not for a path."""
    depth = pattern.count(".")
    for name, module in parent.named_modules():
        if name.count(".") == depth and fnmatchcase(name, pattern) and bool(name) == bool(pattern):
            yield name, module
