"""The loss in training: cross-entropy on segments, the fusion's own loss, or both."""

from __future__ import annotations

from torch import Tensor, nn

from camser.model import UtteranceEncoder

Predictions = Tensor | tuple[Tensor | None, Tensor]


def check_label_smoothing(model: UtteranceEncoder, label_smoothing: float) -> None:
    """Raise a ValueError if labels are to be smoothed for a loss that takes them as they are."""
    if label_smoothing and model.fusion.has_loss and model.gives_scores:
        raise ValueError(
            f"label_smoothing is {label_smoothing}, but the fusion {type(model.fusion).__name__} "
            f"has its own loss in place of the cross-entropy; give label_smoothing: 0"
        )


def mean_loss(
    predictions: Predictions, labels: Tensor, weights: Tensor | None, label_smoothing: float
) -> Tensor:
    """The mean loss of segments.

    Arguments
    ---------
    predictions : Tensor, or pair of Tensor
        [segments, classes], log-probabilities, or None where the own losses are complete; in a
        pair also the fusion's own losses, [segments], which are added to the cross-entropy.
    labels : Tensor
        [segments], class indices.
    weights : Tensor or None
        [classes], of both losses.
    label_smoothing : float
        Of the cross-entropy: the share of each target that is spread over all classes.

    Example
    -------
    >>> import torch
    >>> even = torch.full((2, 4), 0.25).log()
    >>> mean_loss((even, torch.tensor([1.0, 2.0])), torch.tensor([0, 3]), None, 0.0)
    tensor(2.8863)
    """
    if isinstance(predictions, tuple):
        log_probabilities, losses = predictions
        own = losses.mean() if weights is None else _weighted_mean(losses, weights[labels])
        if log_probabilities is None:
            return own
        return own + mean_loss(log_probabilities, labels, weights, label_smoothing)
    # It applies a log-softmax, which leaves log-probabilities as they are.
    return nn.functional.cross_entropy(
        predictions, labels, weights, label_smoothing=label_smoothing
    )


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """As ``cross_entropy`` computes it."""
    return (values * weights).sum() / weights.sum()
