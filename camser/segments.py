"""Cut utterances into fixed-length segments, and average over them (Zou et al., 2022, sec. 3.2).

An utterance of ``n`` samples has ``ceil(n / N)`` segments of ``N`` samples. They neither overlap
nor leave a gap. The last one is padded at its end with silence. A recording of unknown length is
cut while it is read, by ``iter_windows``.

Each segment is cut with the one sample before it, 0 at the beginning of an utterance. So
pre-emphasis of a segment gives the same as pre-emphasis of the utterance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

Count = TypeVar("Count", int, Tensor)


def num_segments(num_samples: Count, segment_samples: int) -> Count:
    """The number of segments of an utterance of one sample or more, or of several utterances.

    Example
    -------
    >>> [num_segments(n, 48000) for n in (1, 48000, 48001, 96000)]
    [1, 1, 2, 2]
    """
    return (num_samples + segment_samples - 1) // segment_samples


class SegmentGrid(NamedTuple):
    """Where the segments of utterances are, each [segments], in the order of the utterances.

    Attributes
    ----------
    owners : Tensor
        The utterance index of each segment.
    numbers : Tensor
        The position of each segment in its utterance, from 0.
    lengths : Tensor
        The samples of each segment that are not padding.
    """

    owners: Tensor
    numbers: Tensor
    lengths: Tensor


def segment_grid(num_samples: Tensor, segment_samples: int, most: int) -> SegmentGrid:
    """The segments of utterances of ``num_samples`` [utterances].

    Arguments
    ---------
    num_samples : Tensor
        [utterances], their lengths, one sample or more.
    segment_samples : int
        The length of a segment.
    most : int
        The largest number of segments of an utterance, or more.
    """
    columns = torch.arange(most, device=num_samples.device)
    is_segment = columns < num_segments(num_samples, segment_samples).unsqueeze(1)
    owners, numbers = is_segment.nonzero(as_tuple=True)
    lengths = (num_samples[owners] - numbers * segment_samples).clamp(max=segment_samples)
    return SegmentGrid(owners, numbers, lengths)


def split_into_segments(
    wavs: Tensor, lens: Tensor, segment_samples: int, before: Tensor | None = None
) -> tuple[Tensor, SegmentGrid]:
    """Cut a batch of utterances into segments, each with the sample before it.

    Arguments
    ---------
    wavs : Tensor
        [utterances, samples]; samples beyond an utterance's length are ignored.
    lens : Tensor
        [utterances], lengths relative to ``samples``, in (0, 1].
    segment_samples : int
        The length of a segment.
    before : Tensor, optional
        [utterances], the sample before each utterance; by default 0.

    Returns
    -------
    segments : Tensor
        [segments, 1 + segment_samples], in the order of the utterances.
    grid : SegmentGrid
        Where they are; an owner is a row of ``wavs``.

    Example
    -------
    >>> segments, grid = split_into_segments(torch.ones(2, 5), torch.tensor([1.0, 0.4]), 3)
    >>> segments.tolist()
    [[0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]]
    >>> grid.owners.tolist(), grid.lengths.tolist()
    ([0, 0, 1], [3, 2, 2])
    """
    num_utterances, samples = wavs.shape
    num_samples = (lens.to(wavs.device).double() * samples).round().long().clamp(1, samples)
    most = num_segments(samples, segment_samples)
    grid = segment_grid(num_samples, segment_samples, most)
    torch._check(grid.owners.shape[0] >= num_utterances)  # torch.export cannot derive this
    padded = torch.nn.functional.pad(wavs, (0, most * segment_samples - samples))
    own = padded.unflatten(1, (most, segment_samples))
    first = wavs.new_zeros(num_utterances) if before is None else before
    previous = torch.cat([first.unsqueeze(1), own[:, :-1, -1]], dim=1)
    cut = torch.cat([previous.unsqueeze(2), own], dim=2)[grid.owners, grid.numbers]
    is_padding = torch.arange(segment_samples + 1, device=wavs.device) > grid.lengths.unsqueeze(1)
    return cut.masked_fill(is_padding, 0.0), grid


def preemphasize(segments: Tensor, coefficient: float, over: str = "utterance") -> Tensor:
    """y[n] = x[n] - coefficient * x[n-1]

    Arguments
    ---------
    segments : Tensor
        [segments, 1 + samples], the sample before each segment and its own.
    coefficient : float
        0.97 in the paper; 0 does not change the samples.
    over : str
        The filtered signal: the "utterance", or each "segment" alone, so that y[0] = x[0].

    Returns
    -------
    Tensor
        [segments, samples]

    Example
    -------
    >>> preemphasize(torch.tensor([[1.0, 2.0, 4.0]]), 0.5).tolist()
    [[1.5, 3.0]]
    >>> preemphasize(torch.tensor([[1.0, 2.0, 4.0]]), 0.5, over="segment").tolist()
    [[2.0, 3.0]]
    """
    own, previous = segments[:, 1:], segments[:, :-1]
    if not coefficient:
        return own.contiguous()
    if over == "segment":
        previous = torch.nn.functional.pad(previous[:, 1:], (1, 0))
    return own - coefficient * previous


def iter_windows(chunks: Iterable[np.ndarray], size: int, hop: int) -> Iterator[np.ndarray]:
    """Cut a stream of samples into windows; every sample is used, and the last may be shorter.

    Arguments
    ---------
    chunks : iterable of arrays
        [samples] each, of any lengths.
    size, hop : int
        Samples of a window, and between the starts of two, at most ``size``. With equal ones,
        windows do not overlap.

    Raises
    ------
    ValueError
        If ``hop`` is not in 1 … ``size``; when the first window is asked for.

    Example
    -------
    >>> stream = [np.arange(0, 5), np.arange(5, 9)]
    >>> [window.tolist() for window in iter_windows(stream, 4, 2)]
    [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8]]
    """
    if not 1 <= hop <= size:
        raise ValueError(f"windows of {size} samples, every {hop}; allowed: hops of 1 to the size")
    buffer, num_covered = np.zeros(0, np.float32), 0  # covered: in an earlier window too
    for chunk in chunks:
        buffer = np.concatenate([buffer, chunk]) if len(buffer) else chunk
        while len(buffer) >= size:
            yield buffer[:size]
            buffer, num_covered = buffer[hop:], size - hop
    if len(buffer) > num_covered:
        yield buffer


class MeanOverSegments:
    """The means over utterances' segments, which may come in any order, and batch by batch.

    Sums are in float32 or wider and stay on the values' device, so nothing waits.

    Arguments
    ---------
    num_utterances : int
        Of all batches.

    Example
    -------
    >>> mean = MeanOverSegments(2)
    >>> mean.add(torch.tensor([[1.0], [5.0]]), torch.tensor([0, 1]))
    >>> mean.add(torch.tensor([[3.0]]), torch.tensor([0]))
    >>> mean.means().tolist(), mean.counts.tolist()
    ([[2.0], [5.0]], [[2.0], [1.0]])
    """

    def __init__(self, num_utterances: int) -> None:
        self.num_utterances = num_utterances
        self.sums: Tensor | None = None

    def add(self, values: Tensor, owners: Tensor) -> None:
        """Add values of segments, [segments, features], and the utterance index of each."""
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        if self.sums is None:
            self.sums = values.new_zeros(self.num_utterances, values.shape[1])
            self.counts = values.new_zeros(self.num_utterances, 1)
        self.sums.index_add_(0, owners, values)
        self.counts.index_add_(0, owners, torch.ones_like(values[:, :1]))

    def means(self) -> Tensor:
        """[utterances, features]; NaN where an utterance had no segment."""
        assert self.sums is not None, "nothing was added"
        return self.sums / self.counts


def mean_over_segments(values: Tensor, owners: Tensor, num_utterances: int) -> Tensor:
    """Average over the segments of each utterance of one batch, see ``MeanOverSegments``.

    Arguments
    ---------
    values : Tensor
        [segments, features].
    owners : Tensor
        [segments], the owners of ``split_into_segments``' grid.
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
    mean = MeanOverSegments(num_utterances)
    mean.add(values, owners)
    return mean.means()
