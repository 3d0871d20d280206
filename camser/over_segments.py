"""The values of an utterance from those of its segments: their mean, or the largest of each."""

from __future__ import annotations

import torch
from torch import Tensor


class MeanOverSegments:
    """The means over utterances' segments, which may come in any order, and batch by batch.

    Sums are in float32 or wider and stay on the values' device, so nothing waits.

    Arguments
    ---------
    num_utterances : int
        Of all batches.

    Example
    -------
    >>> mean = MeanOverSegments(2)
    >>> mean.add(torch.tensor([[1.0], [5.0]]), torch.tensor([0, 1]))
    >>> mean.add(torch.tensor([[3.0]]), torch.tensor([0]))
    >>> mean.values().tolist(), mean.counts.tolist()
    ([[2.0], [5.0]], [[2.0], [1.0]])
    """

    initial = 0.0

    def __init__(self, num_utterances: int) -> None:
        self.num_utterances = num_utterances
        self.reduced: Tensor | None = None

    def add(self, values: Tensor, owners: Tensor) -> None:
        """Add values of segments, [segments, features], and the utterance index of each."""
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        if self.reduced is None:
            self.reduced = values.new_full((self.num_utterances, values.shape[1]), self.initial)
            self.counts = values.new_zeros(self.num_utterances, 1)
        self.reduced = self._reduce(self.reduced, values, owners)
        self.counts.index_add_(0, owners, torch.ones_like(values[:, :1]))

    @staticmethod
    def _reduce(reduced: Tensor, values: Tensor, owners: Tensor) -> Tensor:
        return reduced.index_add_(0, owners, values)

    def values(self) -> Tensor:
        """[utterances, features]; not finite where an utterance had no segment."""
        assert self.reduced is not None, "nothing was added"
        return self.reduced / self.counts


class MaxOverSegments(MeanOverSegments):
    """The largest of each feature over utterances' segments; see ``MeanOverSegments``.

    Example
    -------
    >>> largest = MaxOverSegments(1)
    >>> largest.add(torch.tensor([[1.0, 5.0], [3.0, 4.0]]), torch.tensor([0, 0]))
    >>> largest.values().tolist()
    [[3.0, 5.0]]
    """

    initial = float("-inf")

    @staticmethod
    def _reduce(reduced: Tensor, values: Tensor, owners: Tensor) -> Tensor:
        return reduced.scatter_reduce(0, owners.unsqueeze(1).expand_as(values), values, "amax")

    def values(self) -> Tensor:
        """[utterances, features]; not finite where an utterance had no segment."""
        assert self.reduced is not None, "nothing was added"
        return self.reduced


RULES = {"mean": MeanOverSegments, "max": MaxOverSegments}  # of an utterance


def over_segments(
    values: Tensor, owners: Tensor, num_utterances: int, rule: str = "mean"
) -> Tensor:
    """The values of each utterance of one batch, see ``MeanOverSegments``.

    Arguments
    ---------
    values : Tensor
        [segments, features].
    owners : Tensor
        [segments], the owners of ``split_into_segments``' grid.
    num_utterances : int
        The batch size; every utterance has at least one segment.
    rule : str
        A key of ``RULES``.

    Returns
    -------
    Tensor
        [utterances, features]

    Example
    -------
    >>> over_segments(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 1]), 2).tolist()
    [[2.0], [5.0]]
    """
    result = RULES[rule](num_utterances)
    result.add(values, owners)
    return result.values()
