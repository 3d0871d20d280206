"""Scores of utterances from the means of their segments' embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from camser.segments import MeanOverSegments


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
