"""What depends on the audio alone: computed once for a corpus, kept on disk, read back.

These are the frames of frozen encoders and the features of front ends that have nothing to learn.
A file holds a row for every segment of a manifest under one encoder; its name is made of the
encoder's fixed weights, settings and versions and of the manifest's fingerprint, which covers the
audio, so all runs that share both share the file, and nothing stale is ever read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from packaging.requirements import Requirement
from speechbrain.utils.distributed import ddp_barrier, if_main_process
from torch import Tensor
from tqdm import tqdm

from camser import audio, segments
from camser.corpus import DataFolder, Utterance, fingerprint, locate
from camser.data import SegmentIndex, num_samples
from camser.encoders.base import Encoder

logger = logging.getLogger(__name__)


class KeptFeatures:
    """What is kept of a model's encoders, by modality.

    Arguments
    ---------
    encoders : mapping of str to Encoder
        A model's; those that keep nothing are passed over.
    utterances : sequence of Utterance
        The whole manifest.
    index : SegmentIndex
        Of the manifest.
    data_folder : str, Path or mapping of str to those
        What the manifest's paths are relative to, as for ``corpus.locate``.
    folder : str or Path
        Where the files are kept.
    device : str
        Where to compute.
    progress : bool
        Whether to show a bar.
    plugins : mapping of str to mapping, optional
        Where the encoders come from, as the model's ``plugins``.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        utterances: Sequence[Utterance],
        index: SegmentIndex,
        data_folder: DataFolder,
        folder: str | Path,
        device: str = "cpu",
        progress: bool = False,
        plugins: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.arrays, plugins = {}, plugins or {}
        for name, encoder in encoders.items():
            if not encoder.keeps:
                continue
            path = Path(folder) / f"{_key(encoder, plugins.get(name, {}), index, utterances)}.npy"
            shape = (index.total, *_row_shape(encoder, index.segment_samples))
            if if_main_process() and _open(path, shape) is None:
                logger.info("computing what is kept of %s into %s", name, path)
                waves = _read(utterances, data_folder, index.segment_samples, progress)
                _compute(encoder.to(device), waves, path, shape, device)
            ddp_barrier()
            self.arrays[name] = _open(path, shape)
            if self.arrays[name] is None:
                raise OSError(f"{path} is not there; all processes must share {folder}")

    def rows(self, first: Tensor, count: Tensor) -> dict[str, Tensor]:
        """The rows of a batch.

        Arguments
        ---------
        first, count : Tensor
            [utterances], the first row and the number of rows of each.

        Returns
        -------
        dict of str to Tensor
            [segments, …] by modality, in the order of ``segments.split``.
        """
        if not self.arrays:
            return {}
        spans = zip(first.tolist(), count.tolist(), strict=True)
        rows = np.concatenate([np.arange(start, start + n) for start, n in spans])
        return {name: torch.from_numpy(array[rows]) for name, array in self.arrays.items()}


@torch.no_grad()
def _row_shape(encoder: Encoder, segment_samples: int) -> tuple[int, ...]:
    device = next((t.device for t in (*encoder.parameters(), *encoder.buffers())), None)
    return tuple(encoder.keep(torch.zeros(1, segment_samples, device=device)).shape[1:])


def _key(
    encoder: Encoder,
    origin: Mapping[str, str],
    index: SegmentIndex,
    utterances: Sequence[Utterance],
) -> str:
    sha = hashlib.sha256()
    kind = type(encoder)
    # A base class may come from another package; a package's name is not always its module's.
    packages = {cls.__module__.split(".")[0] for cls in kind.__mro__}
    packages |= {"torch", "torchaudio", "torchvision", "transformers"}
    packages |= _required(origin.get("distribution", "camser"))
    settings = {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "plugin": [origin.get("distribution"), origin.get("version")],
        "parameters": encoder.rebuild_args(),
        "segment_samples": index.segment_samples,
        "manifest": fingerprint(utterances),
        "versions": {name: _version(name) for name in packages},
    }
    sha.update(json.dumps(settings, sort_keys=True).encode())
    learned = {name for name, p in encoder.named_parameters() if p.requires_grad}
    for name, value in sorted(encoder.state_dict().items()):
        if name not in learned:
            sha.update(name.encode())
            sha.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return sha.hexdigest()[:24]


def _required(distribution: str) -> set[str]:
    """What another package's plugin computes with: all that the package declares to need."""
    if distribution == "camser":
        return set()
    try:
        declared = [Requirement(line) for line in metadata.requires(distribution) or ()]
    except metadata.PackageNotFoundError:
        return set()
    return {r.name for r in declared if r.marker is None or r.marker.evaluate({"extra": ""})}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _open(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The kept array, or None where there is none that can be trusted."""
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return array if array.shape == shape and array.dtype == np.float32 else None


def _read(
    utterances: Sequence[Utterance], data_folder: DataFolder, segment_samples: int, progress: bool
) -> Iterator[Tensor]:
    """Each utterance's segments, [segments, samples]."""
    for u in tqdm(utterances, desc="kept features", disable=not progress):
        samples = torch.from_numpy(audio.load(locate(data_folder, u), 0, num_samples(u)))
        yield segments.split(samples.unsqueeze(0), torch.ones(1), segment_samples)[0]


def _temporary(path: Path) -> Path:
    """A new file beside ``path``; those that killed runs left more than a day ago are removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(".*.npy.*"):
        if time.time() - left.stat().st_mtime > 86400:
            left.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    return Path(name)


@torch.no_grad()
def _compute(
    encoder: Encoder,
    utterances: Iterator[Tensor],
    path: Path,
    shape: tuple[int, ...],
    device: str,
) -> None:
    was_training, row = encoder.training, 0
    encoder.eval()
    temporary = _temporary(path)
    try:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        for waves in utterances:
            array[row : row + len(waves)] = encoder.keep(waves.to(device)).float().cpu().numpy()
            row += len(waves)
        array.flush()
        del array
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        encoder.train(was_training)
