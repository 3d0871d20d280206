"""Cut utterances into fixed-length segments, and average over them (Zou et al., 2022, sec. 3.2).

An utterance of ``n`` samples has ``ceil(n / N)`` segments of ``N`` samples, and at least one.
Segments neither overlap nor leave a gap. The last one is padded at its end with silence.
"""

from __future__ import annotations

import torch
from torch import Tensor


def num_segments(num_samples: int, segment_samples: int) -> int:
    """The number of segments of an utterance.

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
        [utterances, samples]; samples beyond an utterance's length are ignored.
    lens : Tensor
        [utterances], lengths relative to ``samples``, in (0, 1].
    segment_samples : int
        The length of a segment.

    Returns
    -------
    segments : Tensor
        [segments, segment_samples], in the order of the utterances.
    owners : Tensor
        [segments], the utterance index of each segment: its row in ``wavs``.

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
    # Usual in training: every row is one segment, and the CPU need not wait for the device.
    # An exported graph has no branches, so it always uses the general code below.
    if not torch.compiler.is_exporting() and width == 1:
        return grid.squeeze(1), torch.arange(num_utterances, device=wavs.device)
    counts = (lengths + segment_samples - 1) // segment_samples
    is_segment = torch.arange(width, device=wavs.device) < counts.unsqueeze(1)
    owners, columns = is_segment.nonzero(as_tuple=True)
    torch._check(owners.shape[0] >= num_utterances)  # torch.export cannot derive this
    return grid[owners, columns], owners


def mean_over_segments(values: Tensor, owners: Tensor, num_utterances: int) -> Tensor:
    """Average over the segments of each utterance.

    Arguments
    ---------
    values : Tensor
        [segments, features].
    owners : Tensor
        [segments], utterance indices from ``split_into_segments``.
    num_utterances : int
        The batch size; every utterance has at least one segment.

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
