"""The recurrent branch of CNN GRU-SeqCap."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GRUBranch(nn.Module):
    """A GRU in each direction, a linear layer on both last states, ReLU, dropout, the classes.

    Of two ports, one takes the last states (as here), the other all steps [code].

    Arguments
    ---------
    channels : int
        Of a frame.
    hidden_size : int
        Units in each direction, and of the linear layer.
    num_classes : int
        Classes.
    dropout : float
        After the linear layer.
    """

    def __init__(self, channels: int, hidden_size: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.onward = nn.GRU(channels, hidden_size, batch_first=True)
        self.backward = nn.GRU(channels, hidden_size, batch_first=True)
        self.classify = nn.Sequential(
            nn.Linear(2 * hidden_size, hidden_size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, num_classes),
        )

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[segments, frames, channels], and real frames [segments] -> log-probabilities,
        [segments, classes]"""
        if lengths is None:
            lengths = torch.full(frames.shape[:1], frames.shape[1], device=frames.device)
        last = lengths.unsqueeze(1) - 1
        order = (last - torch.arange(frames.shape[1], device=frames.device)).clamp(min=0)
        mirrored = frames.gather(1, order.unsqueeze(2).expand_as(frames))
        states = [
            gru(sequence)[0].gather(1, last.unsqueeze(2).expand(-1, 1, gru.hidden_size))
            for gru, sequence in ((self.onward, frames), (self.backward, mirrored))
        ]
        return self.classify(torch.cat(states, dim=2).squeeze(1)).log_softmax(dim=1)
