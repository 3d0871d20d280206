"""From segments to utterances: means on the device, and one transfer of the scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class MeanOverSegments:
    """The means over utterances' segments, which may come in any order, and batch by batch.

    Sums stay on the values' device, so nothing waits. For one batch, see
    ``segments.mean_over_segments``.

    Arguments
    ---------
    num_utterances : int
        Of all batches.

    Example
    -------
    >>> means = MeanOverSegments(2)
    >>> means.add(torch.tensor([[1.0], [5.0]]), torch.tensor([0, 1]))
    >>> means.add(torch.tensor([[3.0]]), torch.tensor([0]))
    >>> means.means().tolist(), means.counts.tolist()
    ([[2.0], [5.0]], [[2.0], [1.0]])
    """

    def __init__(self, num_utterances: int) -> None:
        self.num_utterances = num_utterances
        self.sums: Tensor | None = None

    def add(self, values: Tensor, owners: Tensor) -> None:
        """Add values of segments, [segments, features], and the utterance index of each."""
        values = values.float()
        if self.sums is None:
            self.sums = values.new_zeros(self.num_utterances, values.shape[1])
            self.counts = values.new_zeros(self.num_utterances, 1)
        self.sums.index_add_(0, owners, values)
        self.counts.index_add_(0, owners, torch.ones_like(values[:, :1]))

    def means(self) -> Tensor:
        """[utterances, features]; NaN where an utterance had no segment."""
        assert self.sums is not None, "nothing was added"
        return self.sums / self.counts


class UtteranceScores(NamedTuple):
    """The scores of a stage's utterances, on the host.

    Arguments
    ---------
    ids : list of str
        Of utterances that had a segment: all, except in a debug run, which is shortened.
    labels : Tensor
        [utterances]
    log_probabilities : Tensor
        [utterances, classes]
    loss : float
        The mean over utterances of the cross-entropy.
    """

    ids: list[str]
    labels: Tensor
    log_probabilities: Tensor
    loss: float


def score_utterances(
    means: MeanOverSegments, classifier: nn.Module, ids: Sequence[str], labels: Sequence[int]
) -> UtteranceScores:
    """Classify utterances by the means of their segments' embeddings.

    Arguments
    ---------
    means : MeanOverSegments
        Of embeddings.
    classifier : torch.nn.Module
        [utterances, embedding_size] -> log-probabilities.
    ids, labels : sequences
        Of the utterances.
    """
    both = torch.cat([classifier(means.means()), means.counts], dim=1).cpu()  # the one transfer
    seen = (both[:, -1] > 0).nonzero().squeeze(1)
    log_probabilities, targets = both[seen, :-1], torch.tensor(labels)[seen]
    loss = nn.functional.nll_loss(log_probabilities, targets).item()
    return UtteranceScores([ids[i] for i in seen.tolist()], targets, log_probabilities, loss)
