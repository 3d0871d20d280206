"""From a manifest to batches of segments, for training and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from camser.data.array_cache import MappedArray
from camser.data.manifest import Utterance
from camser.data.pack import num_samples
from camser.data.packed_audio import PackedAudio
from camser.data.ragged_array import RaggedArray
from camser.segments import num_segments, segment_grid


@dataclass
class Batch:
    """The segments of one optimizer step or one evaluation step.

    Arguments
    ---------
    id : list of str
        Segment names; "utterance#0" is an utterance's first segment.
    owner : Tensor
        [segments], the utterance index of each segment in its dataset.
    label : Tensor
        [segments], the class of each segment.
    segments : Tensor or None
        [segments, 1 + samples], see ``UtteranceEncoder.forward_segments``; None if all features
        are cached.
    cached : dict of str to Tensor
        [segments, …] by modality: cached features, see ``feature_cache.cache_features``.
    num_samples : Tensor
        [segments], how many samples of each are real; those behind are padding.
    """

    id: list[str]
    owner: Tensor
    label: Tensor
    segments: Tensor | None
    cached: dict[str, Tensor]
    num_samples: Tensor

    def __len__(self) -> int:
        return len(self.owner)

    def to(self, device: str | torch.device, non_blocking: bool = True) -> Batch:
        """Move the batch to a device, in place; from pinned memory without waiting."""
        return self._move(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Move the batch, in place, to pinned memory, which a GPU reads without the CPU."""
        return self._move(Tensor.pin_memory)

    def _move(self, move: Callable[[Tensor], Tensor]) -> Batch:
        self.owner, self.label = move(self.owner), move(self.label)
        self.num_samples = move(self.num_samples)
        self.segments = None if self.segments is None else move(self.segments)
        self.cached = {modality: move(features) for modality, features in self.cached.items()}
        return self


def identity_collate(batch: Batch) -> Batch:
    """The ``collate_fn`` of a loader: the dataset already returns complete batches."""
    return batch


class SegmentIndex:
    """Number the segments of a manifest; the numbers are the rows of the feature cache.

    Arguments
    ---------
    utterances : sequence of Utterance
        All utterances of the manifest.
    segment_samples : int
        Length of a segment.
    trims_padding : bool
        Whether a batch is only as long as its longest segment, see ``MultimodalEncoder``.
    hop_samples : int, optional
        Samples between the starts of two segments; by default ``segment_samples``.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        segment_samples: int,
        trims_padding: bool = False,
        hop_samples: int | None = None,
    ) -> None:
        self.utterances, self.segment_samples = utterances, segment_samples
        self.trims_padding = trims_padding
        self.hop_samples = hop_samples or segment_samples
        sizes = segment_samples, self.hop_samples
        counts = [num_segments(num_samples(u), *sizes) for u in utterances]
        *begins, self.total = accumulate(counts, initial=0)
        self.first = {u.id: begin for u, begin in zip(utterances, begins, strict=True)}


class SegmentDataset(Dataset):
    """The segments of utterances, in order; ``__getitems__`` returns a ``Batch``.

    Arguments
    ---------
    utterances : sequence of Utterance
        A split of a fold.
    index : SegmentIndex
        The segment numbers of the manifest.
    labels : sequence of str
        The classes in the model's order.
    audio : PackedAudio or None
        The samples of the manifest; None if all features are cached.
    cached : mapping of str to MappedArray or RaggedArray, optional
        Cached features by modality, one row per segment of the manifest.
    device : str or torch.device
        The device of ``audio`` and ``cached``; batches are built there.
    augment : callable, optional
        Changes the segments of each batch, see ``training.augmentation.Augmentation``.

    Attributes
    ----------
    ids, labels : list
        Ids and class indices of the utterances.
    names : numpy.ndarray
        Names of the segments.
    lengths : numpy.ndarray
        Their real samples.

    Example
    -------
    >>> rows = [Utterance(f"c/{n}", "c", "", n, "c/1", "male", emotion="sad") for n in (1, 5)]
    >>> dataset = SegmentDataset(rows, SegmentIndex(rows, 48000), ["angry", "sad"])
    >>> batch = dataset.__getitems__([2, 0])
    >>> batch.id, batch.owner, batch.label
    (['c/5#1', 'c/1#0'], tensor([1, 0]), tensor([1, 1]))
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        index: SegmentIndex,
        labels: Sequence[str],
        audio: PackedAudio | None = None,
        cached: Mapping[str, MappedArray | RaggedArray] | None = None,
        device: str | torch.device = "cpu",
        augment: Callable[[Tensor, Tensor, list[str], int], Tensor] | None = None,
    ) -> None:
        self.augment, self.epoch = augment, torch.zeros((), dtype=torch.long)
        if augment is not None:
            self.epoch.share_memory_()
        self.size, self.device = index.segment_samples, torch.device(device)
        self.trims_padding = index.trims_padding
        self.audio, self.cached = audio, dict(cached or {})
        self.ids = [u.id for u in utterances]
        self.labels = [labels.index(u.emotion) for u in utterances]
        lengths = [num_samples(u) for u in utterances]
        hop = index.hop_samples
        most = num_segments(max(lengths), self.size, hop)
        grid = segment_grid(torch.tensor(lengths), self.size, most, hop)
        pairs = zip(grid.owners.tolist(), grid.numbers.tolist(), strict=True)
        self.names = np.array([f"{self.ids[n]}#{k}" for n, k in pairs])
        self.owner, self.length = grid.owners.to(self.device), grid.lengths.to(self.device)
        self.lengths = grid.lengths.numpy()
        self.label = torch.tensor(self.labels)[grid.owners].to(self.device)
        first_row = torch.tensor([index.first[i] for i in self.ids])
        rows = first_row[grid.owners] + grid.numbers
        self.row, self.rows = rows.to(self.device), rows.numpy()
        if audio is not None:
            first = torch.tensor([audio.first[i] for i in self.ids])
            self.start = (first[grid.owners] + grid.numbers * hop).to(self.device)
            self.is_first = (grid.numbers == 0).to(self.device)

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch, also in workers: each epoch is augmented in another way."""
        self.epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.owner)

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        """The segments at ``positions``."""
        indices, chosen = torch.tensor(positions), np.array(positions)
        if self.device.type == "cuda":  # from pinned memory, the copy does not block the CPU
            indices = indices.pin_memory().to(self.device, non_blocking=True)
        names = self.names[np.array(positions)].tolist()
        segments, row, lengths = None, self.row[indices], self.length[indices]
        if self.audio is not None:
            places = self.start[indices], lengths, self.is_first[indices]
            width = int(self.lengths[chosen].max()) if self.trims_padding else self.size
            segments = self.audio.read_segments(*places, width)
            if self.augment is not None:
                segments = self.augment(segments, lengths, names, int(self.epoch))
        cached = {name: array.gather(row, self.rows[chosen]) for name, array in self.cached.items()}
        owner, label = self.owner[indices], self.label[indices]
        return Batch(names, owner, label, segments, cached, lengths)
