"""Manifest to SpeechBrain datasets: segments to train on, whole utterances to score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from torch import Tensor

from camser import audio
from camser.corpus import Utterance
from camser.segments import num_segments


class ReadAudio:
    """Reads an item's samples; a class, so that it reaches loader processes by pickling.

    Arguments
    ---------
    data_folder : str or Path
        What the manifest's paths are relative to.
    """

    def __init__(self, data_folder: str | Path) -> None:
        self.data_folder = Path(data_folder)

    def __call__(self, path: str, start: int, read: int, padded: int) -> Tensor:
        """``read`` samples from ``start``, padded at the end with silence: [padded]"""
        samples = torch.from_numpy(audio.load(self.data_folder / path, start, read))
        return torch.nn.functional.pad(samples, (0, padded - len(samples)))


def num_samples(utterance: Utterance) -> int:
    """Length at 16 kHz."""
    return round(utterance.seconds * audio.SAMPLE_RATE)


class SegmentIndex:
    """Numbers the segments of a manifest: the rows of what is kept of frozen encoders.

    Arguments
    ---------
    utterances : sequence of Utterance
        The whole manifest.
    segment_samples : int
        Length of a segment.
    """

    def __init__(self, utterances: Sequence[Utterance], segment_samples: int) -> None:
        self.segment_samples = segment_samples
        self.first: dict[str, int] = {}
        self.total = 0
        for u in utterances:
            self.first[u.id] = self.total
            self.total += num_segments(num_samples(u), segment_samples)


def segment_dataset(
    utterances: Sequence[Utterance], index: SegmentIndex, labels: Sequence[str], data_folder: str
) -> DynamicItemDataset:
    """One item a segment: what an optimiser's step sees.

    Arguments
    ---------
    utterances : sequence of Utterance
        The training part of a fold.
    index : SegmentIndex
        Of the manifest.
    labels : sequence of str
        The classes in the model's order.
    data_folder : str
        What the manifest's paths are relative to.
    """
    size = index.segment_samples
    items = {}
    for u in utterances:
        for k in range(num_segments(num_samples(u), size)):
            start = k * size
            items[f"{u.id}#{k}"] = {
                **_item(u, labels),
                "start": start,
                "read": min(size, num_samples(u) - start),
                "padded": size,
                "row": index.first[u.id] + k,
                "rows": 1,
            }
    return _dataset(items, data_folder)


def utterance_dataset(
    utterances: Sequence[Utterance], index: SegmentIndex, labels: Sequence[str], data_folder: str
) -> DynamicItemDataset:
    """One item an utterance: what is scored. Arguments as for ``segment_dataset``."""
    items = {
        u.id: {
            **_item(u, labels),
            "start": 0,
            "read": num_samples(u),
            "padded": num_samples(u),
            "row": index.first[u.id],
            "rows": num_segments(num_samples(u), index.segment_samples),
        }
        for u in utterances
    }
    return _dataset(items, data_folder)


def _item(utterance: Utterance, labels: Sequence[str]) -> dict[str, Any]:
    return {"path": utterance.path, "label": labels.index(utterance.emotion)}


def _dataset(items: dict[str, dict[str, Any]], data_folder: str) -> DynamicItemDataset:
    dataset = DynamicItemDataset(items)
    takes = ["path", "start", "read", "padded"]
    dataset.add_dynamic_item(ReadAudio(data_folder), takes=takes, provides="wav")
    dataset.set_output_keys(["id", "wav", "label", "row", "rows"])
    return dataset
