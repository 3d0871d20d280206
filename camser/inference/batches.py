"""Batches of segments for a model: padded to one length, or to similar lengths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from camser.audio import SAMPLE_RATE
from camser.inference.recordings import batched

# Where segments are whole utterances: a batch has at most so many samples for each of its segments,
# as if these were the paper's; only one segment may be longer.
TYPICAL_SAMPLES = 3 * SAMPLE_RATE


# Maps segments, [segments, 1 + samples], and how many of their samples are real, [segments].
OfBatch = Callable[[np.ndarray, np.ndarray], Any]


def check_batch_size(batch_size: int, most: int | None = None) -> None:
    """Raise a ValueError unless a model that takes ``most`` segments takes so many at once."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; allowed: 1 and more")
    if most is not None and batch_size > most:
        raise ValueError(f"batch_size is {batch_size}; this model takes at most {most}")


def pad_segments(segments: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pad segments with silence.

    Arguments
    ---------
    segments : sequence of array
        [1 + samples] each, the sample before the segment first.
    size : int
        Samples of a segment.

    Returns
    -------
    array, array
        [segments, 1 + size], and [segments], how many of the samples are real.
    """
    padded = np.zeros((len(segments), 1 + size), np.float32)
    for row, segment in zip(padded, segments, strict=True):
        row[: len(segment)] = segment
    return padded, np.array([len(segment) - 1 for segment in segments])


def embed_segments(
    embed: OfBatch, segments: Sequence[np.ndarray], size: int, trims_padding: bool
) -> Sequence[Any]:
    """The embeddings of segments, in their order.

    Arguments
    ---------
    embed : callable
        Maps a batch of padded segments, see ``OfBatch``, to their embeddings.
    segments, size
        As for ``pad_segments``.
    trims_padding : bool
        Whether a batch is only as long as its longest segment, and no longer than ``size``. Then
        segments of similar lengths share a batch, and a batch of long ones has fewer.
    """
    if not trims_padding:
        return embed(*pad_segments(segments, size))
    embeddings: dict[int, Any] = {}
    for group in similar_lengths([len(segment) - 1 for segment in segments]):
        padded = pad_segments([segments[number] for number in group], len(segments[group[-1]]) - 1)
        embeddings |= zip(group, embed(*padded), strict=True)
    return [embeddings[number] for number in range(len(segments))]


def similar_lengths(lengths: Sequence[int]) -> list[list[int]]:
    """Groups of indices, each from its shortest to its longest, which is at most twice as long.

    Example
    -------
    >>> similar_lengths([100, 900, 30, 50, 90])
    [[2, 3], [4, 0], [1]]
    """
    groups: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        group, length = groups[-1] if groups else [], lengths[number]
        total = (len(group) + 1) * length
        fits = group and length <= 2 * lengths[group[0]]
        if fits and total <= len(lengths) * TYPICAL_SAMPLES:
            group.append(number)
        else:
            groups.append([number])
    return groups


def attention_weights(
    weigh: Callable[[np.ndarray, np.ndarray], Mapping[str, np.ndarray]],
    segments: Iterable[np.ndarray],
    size: int,
    batch_size: int,
    trims_padding: bool,
) -> dict[str, np.ndarray]:
    """The attention weights of a recording's segments by modality: [segments, frames]

    ``weigh`` computes those of a batch of ``batch_size`` segments, see ``OfBatch``; the other
    arguments are as for ``embed_segments``.
    """
    batches: dict[str, list[np.ndarray]] = defaultdict(list)
    for batch in batched(segments, batch_size):
        longest = max(map(len, batch)) - 1 if trims_padding else size
        for name, values in weigh(*pad_segments(batch, longest)).items():
            batches[name].append(values)
    return {name: _concatenate(values) for name, values in batches.items()}


def _concatenate(batches: Sequence[np.ndarray]) -> np.ndarray:
    """[segments, frames], 0 where a batch has fewer frames."""
    most = max(values.shape[1] for values in batches)
    return np.concatenate([np.pad(v, ((0, 0), (0, most - v.shape[1]))) for v in batches])
