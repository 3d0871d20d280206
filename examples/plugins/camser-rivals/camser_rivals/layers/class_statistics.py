"""The features of an utterance that an ELM classifies, after Han et al., Interspeech 2014."""

from __future__ import annotations

import torch
from torch import Tensor

from camser.fusion.over_frames import mean

CONFIDENT = 0.2  # the share of frames with a larger probability is a feature [code]


def class_statistics(log_probabilities: Tensor, mask: Tensor | None = None) -> Tensor:
    """Of each class's probability over frames: maximum, minimum, mean, share above 0.2.

    Arguments
    ---------
    log_probabilities : Tensor
        [segments, frames, classes]
    mask : Tensor, optional
        [segments, frames], true for real frames.

    Returns
    -------
    Tensor
        [segments, 4 * classes]

    Example
    -------
    >>> class_statistics(torch.tensor([[[0.1, 0.9], [0.3, 0.7]]]).log())
    tensor([[0.3000, 0.9000, 0.1000, 0.7000, 0.2000, 0.8000, 0.5000, 1.0000]])
    """
    values = log_probabilities.exp()
    highest = lowest = values
    if mask is not None:
        is_padding = ~mask.unsqueeze(2)
        highest = values.masked_fill(is_padding, 0.0)
        lowest = values.masked_fill(is_padding, 1.0)
    confident = (values > CONFIDENT).to(values.dtype)
    parts = [highest.amax(dim=1), lowest.amin(dim=1), mean(values, mask), mean(confident, mask)]
    return torch.cat(parts, dim=1)
