"""Utterances to fixed-length segments and back (section 3.2 of Zou et al., 2022).

An utterance of ``n`` samples has ``ceil(n / N)`` segments of ``N`` samples, at least one; they
neither overlap nor leave a gap, and the last one is padded at its end with silence.
"""

from __future__ import annotations

import torch
from torch import Tensor


def num_segments(num_samples: int, segment_samples: int) -> int:
    """How many segments an utterance has.

    Example
    -------
    >>> [num_segments(n, 48000) for n in (1, 48000, 48001, 96000)]
    [1, 1, 2, 2]
    """
    return max(1, (num_samples + segment_samples - 1) // segment_samples)


def split_into_segments(wavs: Tensor, lens: Tensor, segment_samples: int) -> tuple[Tensor, Tensor]:
    """Cut a batch of utterances into segments.

    Arguments
    ---------
    wavs : Tensor
        [utterances, samples]; what lies beyond an utterance's length is ignored.
    lens : Tensor
        [utterances], lengths relative to ``samples``, in (0, 1].
    segment_samples : int
        The length of a segment.

    Returns
    -------
    segments : Tensor
        [segments, segment_samples], the utterances' segments one after the other.
    owners : Tensor
        [segments], the row of ``wavs`` that each segment comes from.

    Example
    -------
    >>> segments, owners = split_into_segments(torch.ones(2, 5), torch.tensor([1.0, 0.4]), 3)
    >>> segments.tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]
    >>> owners.tolist()
    [0, 0, 1]
    """
    num_utterances, num_samples = wavs.shape
    lengths = (lens.to(wavs.device).double() * num_samples).round().long().clamp(1, num_samples)
    width = num_segments(num_samples, segment_samples)
    padded = torch.nn.functional.pad(wavs, (0, width * segment_samples - num_samples))
    inside = torch.arange(padded.shape[1], device=wavs.device) < lengths.unsqueeze(1)
    grid = padded.masked_fill(~inside, 0.0).view(num_utterances, width, segment_samples)
    # A training batch: nothing to choose, so no wait for the device. An exported graph has no
    # branches, so it takes the other way, which is right for every width.
    if not torch.compiler.is_exporting() and width == 1:
        return grid.squeeze(1), torch.arange(num_utterances, device=wavs.device)
    counts = (lengths + segment_samples - 1) // segment_samples
    real = torch.arange(width, device=wavs.device) < counts.unsqueeze(1)
    owners, columns = real.nonzero(as_tuple=True)
    torch._check(owners.shape[0] >= num_utterances)  # an export cannot know that by itself
    return grid[owners, columns], owners


def mean_over_segments(values: Tensor, owners: Tensor, num_utterances: int) -> Tensor:
    """The mean over each utterance's segments.

    Arguments
    ---------
    values : Tensor
        [segments, features].
    owners : Tensor
        [segments], from ``split_into_segments``.
    num_utterances : int
        The batch size; every utterance owns at least one segment.

    Returns
    -------
    Tensor
        [utterances, features]

    Example
    -------
    >>> mean_over_segments(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 1]), 2).tolist()
    [[2.0], [5.0]]
    """
    sums = values.new_zeros(num_utterances, values.shape[1]).index_add(0, owners, values)
    ones = values.new_ones(owners.shape[0], 1)
    return sums / values.new_zeros(num_utterances, 1).index_add(0, owners, ones)
