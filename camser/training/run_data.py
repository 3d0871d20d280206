"""The data of a run's batches: packed audio and cached features, and their device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from camser.data.dataset import SegmentDataset, SegmentIndex, identity_collate
from camser.data.manifest import DataFolder, Utterance
from camser.data.mapped_array import MappedArray, copy_to_device_if_fits
from camser.data.packed_audio import PackedAudio
from camser.model import UtteranceEncoder
from camser.training.feature_cache import cache_features


class RunData:
    """A manifest's packed audio, and the features of a model that can be cached.

    Both are computed where ``folder`` does not hold them yet. They are copied to a GPU that has
    enough memory for all data of the batches.

    Arguments
    ---------
    utterances : sequence of Utterance
        The complete manifest.
    model : UtteranceEncoder
        Whose encoders compute the features.
    data_folder : str, Path or mapping of str to those
        What the manifest's paths are relative to, as for ``corpus.locate``.
    folder : str or Path
        The prepared folder.
    keep : bool
        Whether features that depend on the audio alone are cached.
    device : str
        The model's.
    progress : bool
        Whether to show bars.

    Attributes
    ----------
    audio : PackedAudio
        Of the manifest.
    kept : dict of str to MappedArray
        The cached features, by modality.
    place : torch.device
        The device on which batches are made.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        model: UtteranceEncoder,
        data_folder: DataFolder,
        folder: str | Path,
        keep: bool,
        device: str,
        progress: bool = False,
    ) -> None:
        packed, frames = Path(folder) / "packed", Path(folder) / "frames"
        self.index = SegmentIndex(utterances, model.segment_samples)
        self.audio = PackedAudio(utterances, data_folder, packed, progress)
        self.kept: dict[str, MappedArray] = {}
        if keep:
            arguments = self.index, self.audio, frames, device, progress
            self.kept = cache_features(model.encoders, utterances, *arguments, model.plugins)
        self.needs_audio = self.kept.keys() != set(model.encoders)
        needed = [*self.kept.values(), *([self.audio.samples] if self.needs_audio else [])]
        self.device = torch.device(device)
        self.place = copy_to_device_if_fits(needed, self.device)

    def dataset(self, part: Sequence[Utterance], labels: Sequence[str]) -> SegmentDataset:
        """The segments of some utterances; their samples only if not all features are cached."""
        audio = self.audio if self.needs_audio else None
        return SegmentDataset(part, self.index, labels, audio, self.kept, self.place)

    def loader_kwargs(self, batch_size: int, num_workers: int) -> dict[str, Any]:
        """The arguments of a loader; data on a GPU needs neither workers nor pinned memory."""
        on_host = self.place.type == "cpu"
        workers = num_workers if on_host else 0
        return {
            "batch_size": batch_size,
            "collate_fn": identity_collate,
            "num_workers": workers,
            "persistent_workers": workers > 0,
            "pin_memory": on_host and self.device.type == "cuda",
        }
