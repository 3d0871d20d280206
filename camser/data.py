"""Manifest to SpeechBrain datasets: segments to train on, whole utterances to score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from torch import Tensor

from camser import audio
from camser.corpus import DataFolder, Utterance, locate
from camser.segments import num_segments


def read_audio(path: str | None, start: int, read: int, padded: int) -> Tensor:
    """An item's samples: ``read`` from ``start``, padded at the end with silence: [padded]"""
    if path is None:
        return torch.zeros(padded)
    samples = torch.from_numpy(audio.load(path, start, read))
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
    utterances: Sequence[Utterance],
    index: SegmentIndex,
    labels: Sequence[str],
    data_folder: DataFolder | None,
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
    data_folder : str, Path or mapping of str to those
        What the manifest's paths are relative to, as for ``corpus.locate``; None where all that
        is made of the samples is kept: silence of the same length then stands for them.
    """
    size = index.segment_samples
    items = {}
    for u in utterances:
        for k in range(num_segments(num_samples(u), size)):
            start = k * size
            items[f"{u.id}#{k}"] = {
                **_item(u, labels, data_folder),
                "start": start,
                "read": min(size, num_samples(u) - start),
                "padded": size,
                "row": index.first[u.id] + k,
                "rows": 1,
            }
    return _dataset(items)


def utterance_dataset(
    utterances: Sequence[Utterance],
    index: SegmentIndex,
    labels: Sequence[str],
    data_folder: DataFolder | None,
) -> DynamicItemDataset:
    """One item an utterance: what is scored. Arguments as for ``segment_dataset``."""
    items = {
        u.id: {
            **_item(u, labels, data_folder),
            "start": 0,
            "read": num_samples(u),
            "padded": num_samples(u),
            "row": index.first[u.id],
            "rows": num_segments(num_samples(u), index.segment_samples),
        }
        for u in utterances
    }
    return _dataset(items)


def _item(
    utterance: Utterance, labels: Sequence[str], data_folder: DataFolder | None
) -> dict[str, Any]:
    path = None if data_folder is None else str(locate(data_folder, utterance))
    return {"path": path, "label": labels.index(utterance.emotion)}


def _dataset(items: dict[str, dict[str, Any]]) -> DynamicItemDataset:
    dataset = DynamicItemDataset(items)
    takes = ["path", "start", "read", "padded"]
    dataset.add_dynamic_item(read_audio, takes=takes, provides="wav")
    dataset.set_output_keys(["id", "wav", "label", "row", "rows"])
    return dataset
