"""The order of segments of unequal lengths: batches of similar ones, so that little is padded."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import numpy as np
import torch
from speechbrain.dataio.sampler import ReproducibleRandomSampler
from speechbrain.utils.distributed import is_distributed_initialized
from torch.utils.data import Sampler

from camser.data.dataset import SegmentDataset

WINDOW = 8  # batches that are sorted together: fewer are more random, more have less padding


class SimilarLengthSampler(ReproducibleRandomSampler):
    """A random order of which each batch has similar lengths, the same for a seed and an epoch.

    Of a random order, each window of ``WINDOW`` batches is sorted by length. Then the batches are
    drawn in random order; an incomplete one stays the last.

    Arguments
    ---------
    dataset : Sized
        The segments.
    lengths : array
        Their lengths.
    batch_size : int
        The size of a batch, over all processes.
    seed : int
        With the epoch, it decides the order.

    Example
    -------
    >>> lengths = np.array([5, 1, 4, 2, 3])
    >>> sampler = SimilarLengthSampler(lengths, lengths, 2, seed=1)
    >>> order = [lengths[n].item() for n in sampler]
    >>> sorted(sorted(pair) for pair in (order[:2], order[2:4])), order[4]
    ([[1, 2], [3, 4]], 5)
    """

    def __init__(self, dataset: Sized, lengths: np.ndarray, batch_size: int, seed: int) -> None:
        super().__init__(dataset, seed=seed)
        self.lengths, self.size = torch.from_numpy(lengths), batch_size

    def __iter__(self) -> Iterator[int]:
        order = torch.tensor(list(super().__iter__()))
        windows = order.split(WINDOW * self.size)
        order = torch.cat([w[self.lengths[w].argsort(stable=True)] for w in windows])
        num_batches = len(order) // self.size
        batches = order[: num_batches * self.size].view(num_batches, self.size)
        shuffled = batches[torch.randperm(num_batches, generator=self.generator)]
        return iter([*shuffled.flatten().tolist(), *order[num_batches * self.size :].tolist()])


def make_sampler(
    dataset: SegmentDataset, is_training: bool, batch_size: int, seed: int
) -> Sampler[int] | list[int] | None:
    """The order of the segments of a dataset.

    In training it is random, and the same for a seed and an epoch. In evaluation it is None, that
    of the dataset, or the order of lengths. Where padding is trimmed, batches have similar lengths.

    Arguments
    ---------
    dataset : SegmentDataset
        The segments.
    is_training : bool
        Whether the order is random.
    batch_size : int
        The size of a batch of one process.
    seed : int
        See ``SimilarLengthSampler``.
    """
    if not dataset.trims_padding:
        return ReproducibleRandomSampler(dataset, seed=seed) if is_training else None
    if not is_training:
        return np.argsort(dataset.lengths, kind="stable").tolist()
    processes = torch.distributed.get_world_size() if is_distributed_initialized() else 1
    return SimilarLengthSampler(dataset, dataset.lengths, batch_size * processes, seed)
