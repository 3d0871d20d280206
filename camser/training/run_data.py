"""The data of a run's batches: packed audio and cached features, and their device."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from speechbrain.augment.augmenter import Augmenter

from camser.data.array_cache import MappedArray, copy_to_device_if_fits
from camser.data.dataset import SegmentDataset, SegmentIndex, identity_collate
from camser.data.manifest import DataFolder, Utterance
from camser.data.pack import num_samples
from camser.data.packed_audio import PackedAudio
from camser.data.ragged_array import RaggedArray
from camser.model import UtteranceEncoder
from camser.training.augmentation import Augmentation
from camser.training.feature_cache import cache_features

logger = logging.getLogger(__name__)


class RunData:
    """A manifest's packed audio, and the features of a model that can be cached.

    Both are computed where ``folder`` does not hold them yet. They are copied to a GPU that has
    enough memory for all data of the batches.

    Arguments
    ---------
    utterances : sequence of Utterance
        The complete manifest.
    model : UtteranceEncoder
        The model; its encoders compute the features.
    data_folder : str, Path or mapping of str to those
        The folder of the recordings, as for ``manifest.audio_path``.
    folder : str or Path
        The prepared folder.
    use_cache : bool
        Whether features that depend on the audio alone are cached.
    device : str
        The device of the model.
    progress : bool
        Whether to show progress bars.
    augmenter : Augmenter, optional
        SpeechBrain's, for the segments of training, see ``Augmentation``. Then no features are
        cached, and the data stays on the CPU, where the loader's workers augment it.
    seed : int
        The seed of the augmentation.

    Attributes
    ----------
    audio : PackedAudio
        The samples of the manifest.
    cached, train_cached : dict of str to MappedArray or RaggedArray
        The cached features, by modality; those of training are others where its segments overlap
        in another way.
    batch_device : torch.device
        The device on which batches are made.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        model: UtteranceEncoder,
        data_folder: DataFolder,
        folder: str | Path,
        use_cache: bool,
        device: str,
        progress: bool = False,
        augmenter: Augmenter | None = None,
        seed: int = 0,
    ) -> None:
        self.augmentation = None
        if augmenter is not None:
            self.augmentation = Augmentation(augmenter, seed, model.segment_samples)
        cuts = model.segment_samples, model.trims_padding
        self.index = SegmentIndex(utterances, *cuts, model.hop_samples.test)
        self.train_index = self.index
        if model.hop_samples.train != model.hop_samples.test:
            self.train_index = SegmentIndex(utterances, *cuts, model.hop_samples.train)
        self.audio = PackedAudio(utterances, data_folder, folder, progress)
        self.cached: dict[str, MappedArray | RaggedArray] = {}
        self.train_cached = self.cached
        if use_cache and self.augmentation:
            logger.info("augment is set, so no features are cached: every epoch has other audio")
        elif use_cache:
            arguments = self.audio, Path(folder) / "frames", device, progress, model.plugins
            self.cached = cache_features(model, self.index, *arguments)
            self.train_cached = self.cached
            if self.train_index is not self.index:
                self.train_cached = cache_features(model, self.train_index, *arguments)
        self.needs_audio = self.cached.keys() != set(model.encoders)
        arrays = {id(a): a for a in (*self.cached.values(), *self.train_cached.values())}
        needed = [*arrays.values(), *([self.audio] if self.needs_audio else [])]
        self.device = torch.device(device)
        target = torch.device("cpu") if self.augmentation else self.device
        self.batch_device = copy_to_device_if_fits(needed, target)

    def check_batch_sizes(self, model: UtteranceEncoder, sizes: Mapping[str, int]) -> None:
        """Raise a ValueError if a batch is larger than the model takes.

        Arguments
        ---------
        model : UtteranceEncoder
            The model.
        sizes : mapping of str to int
            The number of segments, by the name of the setting.
        """
        longest = min(max(map(num_samples, self.index.utterances)), self.index.segment_samples)
        most = model.max_segments(self.cached, longest)
        for name, size in sizes.items():
            if most is not None and size > most:
                raise ValueError(
                    f"{name} is {size}; this model takes at most {most} segments at once. To train "
                    f"on more in a step, give a larger --grad_accumulation_factor"
                )

    def dataset(
        self, utterances: Sequence[Utterance], labels: Sequence[str], is_training: bool = False
    ) -> SegmentDataset:
        """The segments of some utterances; their samples only if not all features are cached.

        Arguments
        ---------
        utterances : sequence of Utterance
            A split of a fold.
        labels : sequence of str
            The classes in the model's order.
        is_training : bool
            Whether the segments overlap as in training, and are augmented, if the recipe says so.
        """
        audio = self.audio if self.needs_audio else None
        index = self.train_index if is_training else self.index
        cached = self.train_cached if is_training else self.cached
        augment = self.augmentation if is_training else None
        arguments = audio, cached, self.batch_device, augment
        return SegmentDataset(utterances, index, labels, *arguments)

    def loader_kwargs(self, batch_size: int, num_workers: int) -> dict[str, Any]:
        """The arguments of a loader; data on a GPU needs neither workers nor pinned memory."""
        on_host = self.batch_device.type == "cpu"
        workers = num_workers if on_host else 0
        return {
            "batch_size": batch_size,
            "collate_fn": identity_collate,
            "num_workers": workers,
            "persistent_workers": workers > 0,
            "pin_memory": on_host and self.device.type == "cuda",
        }
