"""Cut utterances into segments of a fixed length (Zou et al., 2022, sec. 3.2).

An utterance of ``n`` samples has ``ceil(n / N)`` segments of ``N`` samples, which neither overlap
nor leave a gap; or, with a hop ``H`` below ``N``, overlapping ones up to the first that reaches its
end. The last one is padded at its end with silence. A recording of unknown length is cut while it
is read, by ``audio.windows.iter_windows``.

Each segment is cut with the one sample before it, 0 at the beginning of an utterance. So
pre-emphasis of a segment gives the same as pre-emphasis of the utterance.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

Count = TypeVar("Count", int, Tensor)


class Hops(NamedTuple):
    """The samples between the starts of two segments, in training and in all else."""

    train: int
    test: int


def num_segments(num_samples: Count, segment_samples: int, hop_samples: int | None = None) -> Count:
    """The number of segments of an utterance of one sample or more, or of several utterances.

    Arguments
    ---------
    num_samples : int or Tensor
        The utterances' lengths.
    segment_samples, hop_samples : int
        The length of a segment, and the samples between the starts of two; by default as many.

    Example
    -------
    >>> [num_segments(n, 48000) for n in (1, 48000, 48001, 96000)]
    [1, 1, 2, 2]
    >>> [num_segments(n, 48000, 16000) for n in (1, 48000, 48001, 96000)]
    [1, 1, 2, 4]
    """
    if hop_samples in (None, segment_samples):
        return (num_samples + segment_samples - 1) // segment_samples
    beyond = num_samples - segment_samples  # the first
    beyond = beyond.clamp(min=0) if isinstance(beyond, Tensor) else torch.sym_max(beyond, 0)
    return 1 + (beyond + hop_samples - 1) // hop_samples


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


def segment_grid(
    num_samples: Tensor, segment_samples: int, most: int, hop_samples: int | None = None
) -> SegmentGrid:
    """The segments of utterances of ``num_samples`` [utterances].

    Arguments
    ---------
    num_samples : Tensor
        [utterances], their lengths, one sample or more.
    segment_samples, hop_samples : int
        As for ``num_segments``.
    most : int
        The largest number of segments of an utterance, or more.
    """
    hop = segment_samples if hop_samples is None else hop_samples
    columns = torch.arange(most, device=num_samples.device)
    is_segment = columns < num_segments(num_samples, segment_samples, hop).unsqueeze(1)
    owners, numbers = is_segment.nonzero(as_tuple=True)
    lengths = (num_samples[owners] - numbers * hop).clamp(max=segment_samples)
    return SegmentGrid(owners, numbers, lengths)


def split_into_segments(
    wavs: Tensor,
    lens: Tensor,
    segment_samples: int,
    before: Tensor | None = None,
    hop_samples: int | None = None,
) -> tuple[Tensor, SegmentGrid]:
    """Cut a batch of utterances into segments, each with the sample before it.

    Arguments
    ---------
    wavs : Tensor
        [utterances, samples]; samples beyond an utterance's length are ignored.
    lens : Tensor
        [utterances], lengths relative to ``samples``, in (0, 1].
    segment_samples, hop_samples : int
        As for ``num_segments``.
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
    hop = segment_samples if hop_samples is None else hop_samples
    most = num_segments(samples, segment_samples, hop)
    grid = segment_grid(num_samples, segment_samples, most, hop)
    torch._check(grid.owners.shape[0] >= num_utterances)  # torch.export cannot derive this
    first = wavs.new_zeros(num_utterances) if before is None else before
    silence = (most - 1) * hop + segment_samples - samples
    padded = torch.cat([first.unsqueeze(1), torch.nn.functional.pad(wavs, (0, silence))], dim=1)
    starts = hop * torch.arange(most, device=wavs.device).unsqueeze(1)
    # Not ``unfold``, whose windows have one fixed size in ONNX.
    windows = padded[:, starts + torch.arange(1 + segment_samples, device=wavs.device)]
    cut = windows[grid.owners, grid.numbers]
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
