"""A cache on disk of features that depend on the audio alone, computed once for a corpus.

These are the frames of frozen encoders and the features of front ends without trainable weights.
An array has a row for every segment of a manifest. Its name is a hash of the encoder's fixed
weights, settings and versions and of the manifest's fingerprint, which covers the audio. So runs
that share both share the array, and an outdated one is never read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from packaging.requirements import Requirement
from tqdm import tqdm

from camser.data.array_cache import MappedArray, open_cached, write_array
from camser.data.dataset import SegmentDataset, SegmentIndex
from camser.data.manifest import fingerprint
from camser.data.packed_audio import PackedAudio
from camser.data.ragged_array import RaggedArray
from camser.encoders.base import Encoder
from camser.encoders.masks import given
from camser.encoders.multimodal import MultimodalEncoder
from camser.training.determinism import full_precision

logger = logging.getLogger(__name__)
FORMAT = "camser cached features, 3"
CACHE_BATCH = 32  # segments at a time: enough for a GPU, and 2 GB for a large transformer on a CPU
MAX_ROW_BYTES = 1 << 20  # of a segment; on a GPU, computing more is faster than reading it


def cache_features(
    model: MultimodalEncoder,
    index: SegmentIndex,
    packed: PackedAudio,
    folder: str | Path,
    device: str = "cpu",
    progress: bool = False,
    plugins: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, MappedArray | RaggedArray]:
    """The cached features of a model's encoders, computed where they are missing.

    The main process computes them, but all processes must call this. On a GPU, rows larger than
    ``MAX_ROW_BYTES``, such as all layers of a frozen transformer, are not cached.

    Arguments
    ---------
    model : MultimodalEncoder
        The model; its encoders that are not cacheable are skipped.
    index : SegmentIndex
        The segments of the complete manifest. If padding is trimmed, each is computed at its own
        length, and only its real steps are stored.
    packed : PackedAudio
        The samples of the manifest.
    folder : str or Path
        The folder of the cache.
    device : str
        The device that computes.
    progress : bool
        Whether to show a progress bar.
    plugins : mapping of str to mapping, optional
        The ``plugins`` of the model.

    Returns
    -------
    dict of str to MappedArray or RaggedArray
        A row for each segment of the manifest, by modality.

    Raises
    ------
    ValueError
        If the disk has too little space.
    """
    arrays: dict[str, MappedArray | RaggedArray] = {}
    labels = [u.emotion for u in index.utterances]
    dataset = SegmentDataset(index.utterances, index, labels, packed)
    for name, encoder in model.encoders.items():
        if not encoder.is_cacheable:
            continue
        shape, counts = _layout(encoder, model, dataset)
        row_size = 4 * math.prod(shape[1:]) * max(counts or [1])
        if torch.device(device).type == "cuda" and row_size > MAX_ROW_BYTES:
            logger.info("%s is not cached: %.1f MB a segment", name, row_size / 1e6)
            continue
        key = _cache_key(encoder, (plugins or {}).get(name, {}), index, model)
        about = {"format": FORMAT, "shape": list(shape)}
        features = _compute(encoder, model, dataset, device, progress)
        if counts:
            features = _real_steps(encoder, features, counts)
        path, write = Path(folder) / f"{key}.npy", partial(_write, name, shape, features)
        array = open_cached(path, about, write)
        arrays[name] = RaggedArray(array, counts, encoder.cached_steps_dim) if counts else array
    return arrays


def _layout(
    encoder: Encoder, model: MultimodalEncoder, dataset: SegmentDataset
) -> tuple[tuple[int, ...], list[int] | None]:
    """The array's shape, and the number of steps of each segment where these are its rows."""
    if not model.trims_padding:
        return (len(dataset), *_row_shape(encoder, model.segment_samples)), None
    lengths = dataset.lengths.clip(min=model.min_samples).tolist()
    counts = [encoder.num_cached_steps(length) for length in lengths]
    step = [*_row_shape(encoder, model.min_samples)]
    del step[encoder.cached_steps_dim - 1]
    return (sum(counts), *step), counts


def _real_steps(
    encoder: Encoder, features: Iterable[np.ndarray], counts: Sequence[int]
) -> Iterator[np.ndarray]:
    """From the features of one segment each to [steps, …]"""
    for values, count in zip(features, counts, strict=True):
        (steps,) = np.moveaxis(values, encoder.cached_steps_dim, 1)
        if len(steps) != count:
            raise ValueError(
                f"{type(encoder).__name__}: the cacheable output of a segment has {len(steps)} "
                f"steps, but num_cached_steps gives {count}; correct it"
            )
        yield steps


def _write(name: str, shape: Sequence[int], features: Iterable[np.ndarray], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    size, free = 4 * math.prod(shape), shutil.disk_usage(path.parent).free
    logger.info("caching the features of %s, %.2f GB, in %s", name, size / 1e9, path)
    if size > free:
        raise ValueError(
            f"{path.parent}: {size / 1e9:.1f} GB are to be cached, {free / 1e9:.1f} GB are free; "
            f"make room, give another prepared_folder, or set cache_features: false"
        )
    write_array(path, shape[1:], features)


@torch.no_grad()
def _row_shape(encoder: Encoder, segment_samples: int) -> tuple[int, ...]:
    device = next((t.device for t in (*encoder.parameters(), *encoder.buffers())), None)
    return tuple(encoder.cacheable_output(torch.zeros(1, segment_samples, device=device)).shape[1:])


def _cache_key(
    encoder: Encoder, origin: Mapping[str, str], index: SegmentIndex, model: MultimodalEncoder
) -> str:
    sha = hashlib.sha256()
    kind = type(encoder)
    packages = {"camser", "torch", "torchaudio", "torchvision", "transformers"}
    packages |= _declared_requirements(origin.get("distribution", "camser"))
    settings = {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "plugin": [origin.get("distribution"), origin.get("version")],
        "parameters": encoder.init_config(),
        "preemphasis": [encoder.preemphasis, model.preemphasis_over],
        "segment_samples": index.segment_samples,
        "manifest": fingerprint(index.utterances),
        "versions": {name: _version(name) for name in packages},
    }
    if index.hop_samples != index.segment_samples:
        settings["hop_samples"] = index.hop_samples
    if model.mask_padding:
        settings["mask_padding"] = "trimmed" if model.trims_padding else "masked"
    sha.update(json.dumps(settings, sort_keys=True).encode())
    trainable = {name for name, p in encoder.named_parameters() if p.requires_grad}
    for name, value in sorted(encoder.state_dict().items()):
        if name not in trainable:
            sha.update(name.encode())
            sha.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return sha.hexdigest()[:24]


def _declared_requirements(distribution: str) -> set[str]:
    """All packages that another package's plugin may compute with, as that package declares."""
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


@torch.no_grad()
def _compute(
    encoder: Encoder, model: MultimodalEncoder, dataset: SegmentDataset, device: str, progress: bool
) -> Iterator[np.ndarray]:
    """The features of all segments, some at a time, or one by one where padding is trimmed."""
    was_training, size = encoder.training, 1 if model.trims_padding else CACHE_BATCH
    encoder.to(device).eval()
    try:
        starts = range(0, len(dataset), size)
        for start in tqdm(starts, desc="cached features", disable=not progress):
            batch = dataset.__getitems__(range(start, min(start + size, len(dataset))))
            real = given(batch.num_samples if model.mask_padding else None)
            filtered = model.preemphasized(batch.segments, encoder.preemphasis, *real)
            inputs = (tensor.to(device) for tensor in (filtered, *real))
            with full_precision():
                features = encoder.cacheable_output(*inputs)
            yield features.float().cpu().numpy()
    finally:
        encoder.train(was_training)
