"""Batches of segments for a model: padded to one length, or to similar lengths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from camser.audio import SAMPLE_RATE
from camser.inference.recordings import batched
from camser.model import UtteranceEncoder

# Where segments are whole utterances: a batch has at most so many samples for each of its segments,
# as if these were the paper's; only one segment may be longer.
TYPICAL_SAMPLES = 3 * SAMPLE_RATE


def check_batch_size(model: Any, batch_size: int) -> None:
    """Raise a ValueError unless a model takes so many segments at once."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; allowed: 1 and more")
    most = model.max_segments() if isinstance(model, UtteranceEncoder) else None
    if most is not None and batch_size > most:
        raise ValueError(f"batch_size is {batch_size}; this model takes at most {most}")


def pad_segments(
    model: Any, segments: Sequence[np.ndarray], size: int, device: str | torch.device
) -> tuple[Tensor, Tensor]:
    """Pad segments with silence; arguments as for ``embed_segments``.

    Returns
    -------
    Tensor, Tensor
        On the device: [segments, 1 + samples], and [segments], how many of the samples are real.
    """
    if model.trims_padding:
        size = max(map(len, segments)) - 1
    padded = np.zeros((len(segments), 1 + size), np.float32)
    for row, segment in zip(padded, segments, strict=True):
        row[: len(segment)] = segment
    num_samples = torch.tensor([len(segment) - 1 for segment in segments])
    return torch.from_numpy(padded).to(device), num_samples.to(device)


def embed_segments(
    model: Any, segments: Sequence[np.ndarray], size: int, device: str | torch.device
) -> Tensor:
    """Embed segments: [segments, embedding_size]

    Arguments
    ---------
    model : Module
        An ``UtteranceEncoder`` or ``OnnxEncoder``. If it trims padding, segments of similar lengths
        share a batch, and a batch of long ones has fewer.
    segments : sequence of array
        [1 + samples] each, the sample before the segment first.
    size : int
        Samples of a segment; if padding is trimmed, of the longest.
    device : str or torch.device
        The model's device.
    """
    # Not encode_batch: it takes recordings, and would cut them, which waits for a GPU.
    if not model.trims_padding:
        padded, num_samples = pad_segments(model, segments, size, device)
        return model(padded, num_samples=num_samples)
    embeddings: dict[int, Tensor] = {}
    for group in similar_lengths([len(segment) - 1 for segment in segments]):
        chosen = [segments[number] for number in group]
        padded, num_samples = pad_segments(model, chosen, size, device)
        embeddings |= zip(group, model(padded, num_samples=num_samples), strict=True)
    return torch.stack([embeddings[number] for number in range(len(segments))])


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
    model: Any, segments: Iterable[np.ndarray], size: int, batch_size: int, device: Any
) -> dict[str, np.ndarray]:
    """The attention weights of a recording's segments by modality: [segments, frames]

    Arguments as for ``embed_segments``; ``batch_size`` segments are computed at once.
    """
    batches: dict[str, list[np.ndarray]] = defaultdict(list)
    for batch in batched(segments, batch_size):
        padded, num_samples = pad_segments(model, batch, size, device)
        weights = model.intermediates(padded, None, num_samples).attention_weights
        for name, values in weights.items():
            batches[name].append(values.float().cpu().numpy())
    return {name: _concatenate(values) for name, values in batches.items()}


def _concatenate(batches: Sequence[np.ndarray]) -> np.ndarray:
    """[segments, frames], 0 where a batch has fewer frames."""
    most = max(values.shape[1] for values in batches)
    return np.concatenate([np.pad(v, ((0, 0), (0, most - v.shape[1]))) for v in batches])
