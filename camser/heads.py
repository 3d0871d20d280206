"""From a fused vector to an embedding, and from an embedding or scores to log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from torch import Tensor, nn


class EmotionHead(nn.Module):
    """Embeddings to log-probabilities.

    Without a hidden layer it is linear. So a mean of embeddings leads to the same decision as the
    mean of the segments' log-probabilities.

    Arguments
    ---------
    embedding_size : int
        Size of an embedding.
    num_classes : int
        Number of emotions.
    hidden_size : int, optional
        Units of a layer with sigmoids, as of an extreme learning machine.

    Example
    -------
    >>> EmotionHead(8, 4)(torch.rand(2, 8)).exp().sum(dim=1).round().tolist()
    [1.0, 1.0]
    """

    def __init__(
        self, embedding_size: int, num_classes: int, hidden_size: int | None = None
    ) -> None:
        super().__init__()
        self.embedding_size, self.num_classes = embedding_size, num_classes
        self.hidden = None if hidden_size is None else nn.Linear(embedding_size, hidden_size)
        self.linear = nn.Linear(hidden_size or embedding_size, num_classes)

    def forward(self, embeddings: Tensor) -> Tensor:
        """[utterances, embedding_size] -> [utterances, classes]"""
        if self.hidden is not None:
            embeddings = self.hidden(embeddings).sigmoid()
        # Scores are compared to 1e-5 and averaged over epochs, so they stay in float32.
        return self.linear(embeddings).float().log_softmax(dim=-1)


@register_checkpoint_hooks
class ScoreHead(nn.Module):
    """Class scores to log-probabilities: the head of models that give scores themselves.

    Arguments
    ---------
    num_classes : int
        Number of emotions, and the size of an embedding, which is their scores.

    Example
    -------
    >>> ScoreHead(2)(torch.tensor([[5.0, 5.0]])).exp().tolist()
    [[0.5, 0.5]]
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.embedding_size = self.num_classes = num_classes

    def forward(self, scores: Tensor) -> Tensor:
        """[utterances, classes] -> the same shape"""
        return scores.float().log_softmax(dim=-1)

    @mark_as_saver
    def _save(self, path: str | Path) -> None:
        torch.save(self.state_dict(), path)  # SpeechBrain warns where it is empty

    @mark_as_loader
    def _recover(self, path: str | Path, end_of_epoch: bool) -> None:
        """Nothing is stored."""


Head = EmotionHead | ScoreHead


def new_head(
    size: int, num_classes: int | None, of_scores: bool, hidden_size: int | None = None
) -> Head:
    """A head for embeddings of this size, or for class scores.

    Raises
    ------
    ValueError
        If the number of classes is unknown, or that of the scores is another one.
    """
    if num_classes is None:
        raise ValueError("num_classes is not set; give it: num_classes: !apply:len [!ref <labels>]")
    if not of_scores:
        return EmotionHead(size, num_classes, hidden_size)
    if size != num_classes:
        raise ValueError(f"the model gives {size} class scores, but there are {num_classes} labels")
    return ScoreHead(num_classes)


def hidden_layers(
    size: int, hidden_sizes: Sequence[int], dropout: float
) -> tuple[list[nn.Module], int]:
    """Layers with dropout before and a ReLU behind each, and the size of the last.

    Arguments
    ---------
    size : int
        Size of their input, and of their output if there are none.
    hidden_sizes : sequence of int
        Size of each layer.
    dropout : float
        Before each layer.

    Raises
    ------
    ValueError
        If a size is not a whole number from 1 on.
    """
    if invalid := [n for n in hidden_sizes if type(n) is not int or n < 1]:
        raise ValueError(f"hidden_sizes has {invalid[0]!r}; allowed: whole numbers from 1 on")
    layers: list[nn.Module] = []
    for hidden_size in hidden_sizes:
        layers += [nn.Dropout(dropout), nn.Linear(size, hidden_size), nn.ReLU()]
        size = hidden_size
    return layers, size
