"""A bidirectional LSTM over the real frames alone, without packed sequences.

Packing needs the lengths on the host, so each step would wait for the device, and ONNX cannot
express it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from camser.encoders.masks import length_mask


def masked_lstm(lstm: nn.LSTM, frames: Tensor, lengths: Tensor) -> Tensor:
    """The output of ``lstm`` for each segment's real frames, as if there were no others.

    The backward direction reads the real frames in reverse order, so that it does not begin in the
    padding.

    Arguments
    ---------
    lstm : LSTM
        Bidirectional, ``batch_first``, with biases and without projections.
    frames : Tensor
        [segments, frames, channels]
    lengths : Tensor
        [segments], the real frames of each.

    Returns
    -------
    Tensor
        [segments, frames, 2 * hidden_size]; what is behind the real frames has no meaning.

    Example
    -------
    >>> lstm = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
    >>> frames = torch.randn(1, 5, 3)
    >>> output = masked_lstm(lstm, frames, torch.tensor([2]))[:, :2]
    >>> torch.allclose(output, lstm(frames[:, :2])[0], atol=1e-6)
    True
    """
    order = _reversed_order(lengths, frames.shape[1])
    for layer in range(lstm.num_layers):
        if layer:
            frames = nn.functional.dropout(frames, lstm.dropout, lstm.training)
        forward = _one_direction(lstm, frames, f"l{layer}")
        backward = _one_direction(lstm, _reorder(frames, order), f"l{layer}_reverse")
        frames = torch.cat([forward, _reorder(backward, order)], dim=2)
    return frames


def _reversed_order(lengths: Tensor, size: int) -> Tensor:
    """[items, size], the positions that reverse the real frames and leave the others in place."""
    position = torch.arange(size, device=lengths.device)
    mirrored = lengths.unsqueeze(1) - 1 - position
    return torch.where(length_mask(lengths, size), mirrored, position)


def _reorder(frames: Tensor, order: Tensor) -> Tensor:
    return frames.gather(1, order.unsqueeze(2).expand_as(frames))


def _one_direction(lstm: nn.LSTM, frames: Tensor, name: str) -> Tensor:
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights = [getattr(lstm, f"{kind}_{name}") for kind in kinds]
    state = frames.new_zeros(1, frames.shape[0], lstm.hidden_size)
    # has_biases, num_layers, dropout, train, bidirectional, batch_first
    return torch.lstm(frames, (state, state), weights, True, 1, 0.0, lstm.training, False, True)[0]
