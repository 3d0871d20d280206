"""Scores of utterances from batches of segments, whatever the batches."""

import math

import pytest
import torch

from camser.model import EmotionHead
from camser.over_segments import MeanOverSegments
from camser.training.scoring import score_utterances


def test_the_decision_is_of_the_mean_and_the_loss_of_utterances():
    head, embeddings = EmotionHead(4, 3), torch.randn(6, 4)
    means = MeanOverSegments(3)
    means.add(embeddings, torch.tensor([0, 0, 0, 0, 1, 2]))
    scored = score_utterances(means, head, [2, 0, 1])
    whole = head(torch.stack([embeddings[:4].mean(0), embeddings[4], embeddings[5]]))
    assert torch.allclose(scored.log_probabilities, whole, atol=1e-6)
    expected = -(whole[0, 2] + whole[1, 0] + whole[2, 1]) / 3
    assert scored.loss == pytest.approx(expected.item(), abs=1e-6)


def test_an_utterance_without_a_segment_is_left_out():
    means = MeanOverSegments(3)
    means.add(torch.randn(2, 4), torch.tensor([2, 0]))
    scored = score_utterances(means, EmotionHead(4, 3), [2, 0, 1])
    assert scored.labels.tolist() == [2, 1]
    assert math.isfinite(scored.loss) and scored.log_probabilities.isfinite().all()
