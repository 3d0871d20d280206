"""Which hidden layer of a transformer becomes the frames, or what mixture of all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def num_kept_layers(layer: int | str | None, depth: int) -> int:
    """How many of ``depth`` layers are needed for the hidden state called ``layer``.

    Arguments
    ---------
    layer : int, "mixture" or None
        0 is the transformer's input; None the last layer; "mixture" all.
    depth : int
        Layers of the checkpoint.

    Raises
    ------
    ValueError
        If there is no such layer.

    Example
    -------
    >>> num_kept_layers(3, 12), num_kept_layers(None, 12), num_kept_layers("mixture", 12)
    (3, 12, 12)
    """
    if layer in (None, "mixture"):
        return depth
    if not isinstance(layer, int) or not 0 <= layer <= depth:
        raise ValueError(f"layer is {layer!r}; allowed: 0 … {depth}, mixture, null")
    return layer


class LayerMixture(nn.Module):
    """A learned convex combination of layers (as in SUPERB, Yang et al., 2021).

    Arguments
    ---------
    num_layers : int
        How many there are, the transformer's input included.

    Example
    -------
    >>> mixture = LayerMixture(2)
    >>> mixture([torch.zeros(1, 1, 1), torch.ones(1, 1, 1)]).item()
    0.5
    """

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(num_layers))

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """[segments, frames, channels] each -> the same shape."""
        return torch.einsum("l,lstc->stc", self.logits.softmax(0), torch.stack(tuple(layers)))
