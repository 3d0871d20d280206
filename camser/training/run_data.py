"""What a run makes its batches of: packed audio and kept features, and where they lie."""

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
    """A manifest's audio, packed, and what can be kept of a model's work on it.

    Both are made where ``folder`` does not hold them yet. On a GPU with room for all that batches
    are made of, it is copied there.

    Arguments
    ---------
    utterances : sequence of Utterance
        The whole manifest.
    model : UtteranceEncoder
        For whose encoders.
    data_folder : str, Path or mapping of str to those
        What the manifest's paths are relative to, as for ``corpus.locate``.
    folder : str or Path
        The prepared folder.
    keep : bool
        Whether what depends on the audio alone is kept.
    device : str
        Where the model is.
    progress : bool
        Whether to show bars.

    Attributes
    ----------
    audio : PackedAudio
        Of the manifest.
    kept : dict of str to MappedArray
        By modality.
    place : torch.device
        Where batches are made.
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
            where = self.index, self.audio, frames, device, progress
            self.kept = cache_features(model.encoders, utterances, *where, model.plugins)
        self.needs_audio = self.kept.keys() != set(model.encoders)
        needed = [*self.kept.values(), *([self.audio.samples] if self.needs_audio else [])]
        self.device = torch.device(device)
        self.place = copy_to_device_if_fits(needed, self.device)

    def dataset(self, part: Sequence[Utterance], labels: Sequence[str]) -> SegmentDataset:
        """The segments of some utterances; their samples only where not all is kept."""
        audio = self.audio if self.needs_audio else None
        return SegmentDataset(part, self.index, labels, audio, self.kept, self.place)

    def loader_kwargs(self, batch_size: int, num_workers: int) -> dict[str, Any]:
        """The arguments of a loader; what lies on a GPU needs neither workers nor a way there."""
        on_host = self.place.type == "cpu"
        workers = num_workers if on_host else 0
        return {
            "batch_size": batch_size,
            "collate_fn": identity_collate,
            "num_workers": workers,
            "persistent_workers": workers > 0,
            "pin_memory": on_host and self.device.type == "cuda",
        }
