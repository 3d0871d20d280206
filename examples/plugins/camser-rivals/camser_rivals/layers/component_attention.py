"""Component attention of Das et al., 2018: a weight for each component of each frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

NEVER = -1e4  # whatever the others are, its softmax is 0


class ComponentAttention(nn.Module):
    """Each frame becomes a weighted sum of its neighbors, where each component has own weights.

    For the frames t from u - context to u + context, in the form that is [chosen] after Das et al.,
    "Advancing Connectionist Temporal Classification with Attention Modeling":

        e_t = tanh(U h_u + V h_t + b)
        a_t = softmax over t of e_t, for each component
        c_u = (2 context + 1) sum over t of a_t h_t

    (Das et al. have a matrix for each offset, and the last output as query [recalled].)

    Arguments
    ---------
    size : int
        Components.
    context : int
        Neighbors on each side.
    """

    def __init__(self, size: int, context: int) -> None:
        super().__init__()
        self.context = context
        self.query, self.key = nn.Linear(size, size), nn.Linear(size, size, bias=False)

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """[segments, frames, size], and [segments, frames] -> [segments, frames, size]"""
        is_real = torch.ones_like(frames[..., 0], dtype=torch.bool) if mask is None else mask
        scores = (self.query(frames).unsqueeze(3) + self._windows(self.key(frames))).tanh()
        outside = ~self._windows(is_real.unsqueeze(2))
        weights = scores.masked_fill(outside, NEVER).softmax(dim=3)
        width = 2 * self.context + 1
        return width * (weights * self._windows(frames)).sum(dim=3)

    def _windows(self, frames: Tensor) -> Tensor:
        """[segments, frames, size] -> [segments, frames, size, neighbors]"""
        padded = pad(frames, (0, 0, self.context, self.context))
        return padded.unfold(1, 2 * self.context + 1, 1)
