"""From segments to utterances: means on the device, and one transfer of what is scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class MeanOverSegments:
    """The means over utterances' segments, which may come in any order, and batch by batch.

    All is summed where the values are, so nothing waits; see ``segments.join`` for one batch.

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
        """Values of segments, [segments, features], and which utterance each one is of."""
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
    """What is known of a stage's utterances, on the host.

    Arguments
    ---------
    ids : list of str
        Of those that had a segment: all, but in a run that is cut short to debug it.
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
    """Decide on utterances by the means of their segments' embeddings.

    Arguments
    ---------
    means : UtteranceMeans
        Of embeddings.
    classifier : torch.nn.Module
        [utterances, embedding_size] -> log-probabilities.
    ids, labels : sequences
        Of the utterances.
    """
    both = torch.cat([classifier(means.means()), means.counts], dim=1).cpu()  # the one transfer
    seen = (both[:, -1] > 0).nonzero().squeeze(1)
    found, truths = both[seen, :-1], torch.tensor(labels)[seen]
    loss = nn.functional.nll_loss(found, truths).item()
    return UtteranceScores([ids[i] for i in seen.tolist()], truths, found, loss)
