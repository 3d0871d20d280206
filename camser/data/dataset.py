"""Manifest to batches of segments, to train on and to score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from camser.data.manifest import Utterance
from camser.data.mapped_array import MappedArray
from camser.data.packed_audio import PackedAudio, num_samples
from camser.segments import num_segments


@dataclass
class Batch:
    """Segments, as an optimiser's step or an evaluation sees them.

    Arguments
    ---------
    id : list of str
        "utterance#0" is an utterance's first segment.
    owner : Tensor
        [segments], which utterance of its dataset each one is of.
    label : Tensor
        [segments], its class.
    wav : Tensor or None
        [segments, samples]; None where all that a model makes of the samples is kept.
    kept : dict of str to Tensor
        [segments, …] by modality: what was computed before, see ``kept.keep_features``.
    """

    id: list[str]
    owner: Tensor
    label: Tensor
    wav: Tensor | None
    kept: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.owner)

    def to(self, device: str | torch.device, non_blocking: bool = True) -> Batch:
        """Move it to a device, in place; from pinned memory without waiting."""
        return self._move(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Move it, in place, to where a GPU reads without the CPU."""
        return self._move(Tensor.pin_memory)

    def _move(self, move: Callable[[Tensor], Tensor]) -> Batch:
        self.owner, self.label = move(self.owner), move(self.label)
        self.wav = None if self.wav is None else move(self.wav)
        self.kept = {name: move(rows) for name, rows in self.kept.items()}
        return self


def identity_collate(batch: Batch) -> Batch:
    """The ``collate_fn`` of a loader: the dataset makes whole batches."""
    return batch


class SegmentIndex:
    """Numbers the segments of a manifest: the rows of what is kept of encoders.

    Arguments
    ---------
    utterances : sequence of Utterance
        The whole manifest.
    segment_samples : int
        Length of a segment.
    """

    def __init__(self, utterances: Sequence[Utterance], segment_samples: int) -> None:
        self.segment_samples = segment_samples
        ends = self.counts(utterances).cumsum()
        begins = [0, *ends[:-1].tolist()]
        self.first = {u.id: begin for u, begin in zip(utterances, begins, strict=True)}
        self.total = int(ends[-1])

    def counts(self, utterances: Sequence[Utterance]) -> np.ndarray:
        """How many segments each has: [utterances]"""
        return np.array([num_segments(num_samples(u), self.segment_samples) for u in utterances])


class SegmentDataset(Dataset):
    """The segments of utterances in their order; asked for several, it gives a ``Batch``.

    Arguments
    ---------
    utterances : sequence of Utterance
        A part of a fold.
    index : SegmentIndex
        Of the manifest.
    labels : sequence of str
        The classes in the model's order.
    audio : PackedAudio or None
        Of the manifest; None where all that is made of the samples is kept.
    kept : mapping of str to MappedArray, optional
        What is kept of encoders, a row a segment of the manifest.
    device : str or torch.device
        Where ``audio`` and ``kept`` lie: batches are made there.

    Attributes
    ----------
    ids, labels : list
        Of the utterances.
    names : numpy.ndarray
        Of the segments.

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
        kept: Mapping[str, MappedArray] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.size, self.device = index.segment_samples, torch.device(device)
        self.audio, self.kept = audio, dict(kept or {})
        self.ids = [u.id for u in utterances]
        self.labels = [labels.index(u.emotion) for u in utterances]
        counts = index.counts(utterances)
        owner = np.repeat(np.arange(len(counts)), counts)
        number = np.arange(len(owner)) - np.repeat(counts.cumsum() - counts, counts)
        lengths = np.array([num_samples(u) for u in utterances])
        pairs = zip(owner.tolist(), number.tolist(), strict=True)
        self.names = np.array([f"{self.ids[n]}#{k}" for n, k in pairs])
        self.owner = self._column(owner)
        self.label = self._column(np.array(self.labels)[owner])
        self.row = self._column(np.array([index.first[i] for i in self.ids])[owner] + number)
        self.length = self._column(np.minimum(self.size, lengths[owner] - number * self.size))
        if audio is not None:
            first = np.array([audio.first[i] for i in self.ids])
            self.start = self._column(first[owner] + number * self.size)

    def _column(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.int64)).to(self.device)

    def __len__(self) -> int:
        return len(self.owner)

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        """The segments at ``positions``."""
        at = torch.tensor(positions)
        if self.device.type == "cuda":  # pinned, it goes there while the CPU goes on
            at = at.pin_memory().to(self.device, non_blocking=True)
        wav, row = None, self.row[at]
        if self.audio is not None:
            wav = self.audio.read_segments(self.start[at], self.length[at], self.size)
        kept = {name: array.gather(row) for name, array in self.kept.items()}
        names = self.names[np.array(positions)].tolist()
        return Batch(names, self.owner[at], self.label[at], wav, kept)
