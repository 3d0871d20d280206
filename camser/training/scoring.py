"""Scores of utterances from the means of their segments' embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from camser.evaluation import metrics
from camser.over_segments import MeanOverSegments


class UtteranceScores(NamedTuple):
    """The scores of utterances that had a segment: all, except in a debug run. On the host.

    Arguments
    ---------
    labels : Tensor
        [utterances]
    log_probabilities : Tensor
        [utterances, classes]
    loss : float
        The mean over utterances of the cross-entropy.
    """

    labels: Tensor
    log_probabilities: Tensor
    loss: float

    def metrics(self, names: Sequence[str]) -> dict[str, Any]:
        """``metrics.scores`` of the most probable classes, which have these names."""
        predictions = self.log_probabilities.argmax(dim=1)
        return metrics.scores(self.labels.tolist(), predictions.tolist(), names)


def score_utterances(
    means: MeanOverSegments, classifier: nn.Module, labels: Sequence[int]
) -> UtteranceScores:
    """Classify utterances by the means of their segments' embeddings.

    Arguments
    ---------
    means : MeanOverSegments
        The means of the embeddings.
    classifier : torch.nn.Module
        [utterances, embedding_size] -> log-probabilities.
    labels : sequence of int
        The class index of each utterance.
    """
    both = torch.cat([classifier(means.values()), means.counts], dim=1).cpu()  # the one transfer
    seen = both[:, -1] > 0
    log_probabilities, targets = both[seen, :-1], torch.tensor(labels)[seen]
    loss = nn.functional.nll_loss(log_probabilities, targets).item()
    return UtteranceScores(targets, log_probabilities, loss)
