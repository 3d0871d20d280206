"""The samples of a corpus in one memory-mapped array, decoded once; segments are cut from it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from camser.data.array_cache import MappedArray, fill, open_cached
from camser.data.manifest import DataFolder, Utterance, fingerprint
from camser.data.pack import FULL_SCALE, description, num_samples, pack, read_measured
from camser.data.utterance_reader import UtteranceReader


class PackedAudio:
    """The samples of a manifest's utterances, one after another.

    They equal what ``audio.load`` returns. A corpus is stored as int16 if that is exact for every
    sample, as it is for 16-bit mono files at 16 kHz; else as float32. Each corpus has an array of
    its own, ``packed/<fingerprint of its rows>.npy``. Preparation writes it; where it is missing,
    it is written here, by the main process. All processes must construct the object.

    Arguments
    ---------
    utterances : sequence of Utterance
        All utterances of the manifest.
    data_folder : str, Path or mapping of str to those
        The base of the manifest's paths, as for ``manifest.audio_path``.
    folder : str or Path
        The prepared folder. If ``data_folder`` is a mapping, each corpus has a folder in it.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    AudioError
        If an utterance cannot be read, or is shorter than in the manifest.

    Attributes
    ----------
    arrays : list of MappedArray
        [samples of a corpus] each.
    first : dict of str to int
        The first sample of each utterance, by its id, counted over all arrays.

    Example
    -------
    >>> import tempfile, soundfile
    >>> row = Utterance("c/a", "c", "a.wav", 0.5, "c/1", "male")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.full(8000, 0.25), 16000)
    ...     packed = PackedAudio([row], folder, folder)
    ...     start, length, is_first = torch.tensor([[0, 7999], [3, 1], [1, 0]])
    ...     packed.arrays[0].host.dtype, packed.read_segments(start, length, is_first.bool(), 3)
    (dtype('int16'), tensor([[0.0000, 0.2500, 0.2500, 0.2500],
            [0.2500, 0.2500, 0.0000, 0.0000]]))
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        data_folder: DataFolder,
        folder: str | Path,
        progress: bool = False,
    ) -> None:
        self.copy: Tensor | None = None
        self.arrays: list[MappedArray] = []
        self.first: dict[str, int] = {}
        total, read = 0, partial(read_measured, UtteranceReader(data_folder))
        for corpus, rows in _by_corpus(utterances, data_folder).items():
            path = Path(folder) / corpus / "packed" / f"{fingerprint(rows)}.npy"
            write = partial(pack, rows, read, progress=progress)
            self.arrays.append(open_cached(path, description(rows), write))
            for u in rows:
                self.first[u.id] = total
                total += num_samples(u)
        self.ends = list(accumulate(len(array.host) for array in self.arrays))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "copy": None}

    @property
    def dtype(self) -> torch.dtype:
        """Of a copy of all arrays."""
        is_exact = all(array.host.dtype == np.int16 for array in self.arrays)
        return torch.int16 if is_exact else torch.float32

    @property
    def nbytes(self) -> int:
        """Size of a copy of all arrays."""
        return self.ends[-1] * self.dtype.itemsize

    @property
    def device(self) -> torch.device:
        """The samples' device."""
        return torch.device("cpu") if self.copy is None else self.copy.device

    def to(self, device: str | torch.device) -> PackedAudio:
        """Copy all samples to a device; segments are then read from the copy."""
        blocks: Iterator[Tensor] = (block for array in self.arrays for block in array.blocks())
        if self.dtype == torch.float32:
            blocks = map(_as_floats, blocks)
        self.copy = fill(torch.empty(self.ends[-1], dtype=self.dtype, device=device), blocks)
        return self

    def read_segments(self, start: Tensor, length: Tensor, is_first: Tensor, width: int) -> Tensor:
        """Read segments, each with the sample before it, padded at their ends with silence.

        Arguments
        ---------
        start, length : Tensor
            [segments], the first sample of each and its length, at most ``width``; on the
            samples' device.
        is_first : Tensor
            [segments], whether a segment is the first of its utterance, so that nothing is before.
        width : int
            Samples of a segment.

        Returns
        -------
        Tensor
            [segments, 1 + width], float32, on the same device.
        """
        if self.copy is not None:
            columns = torch.arange(-1, width, device=start.device)
            inside = (columns < length.unsqueeze(1)) & ((columns >= 0) | ~is_first.unsqueeze(1))
            indices = torch.where(inside, start.unsqueeze(1) + columns, 0)
            return _as_floats(self.copy[indices]).masked_fill_(~inside, 0.0)
        segments = torch.zeros(len(start), 1 + width)
        bounds = zip(start.tolist(), length.tolist(), is_first.tolist(), strict=True)
        for segment, (begin, count, first) in zip(segments, bounds, strict=True):
            number = bisect_right(self.ends, begin)
            begin -= self.ends[number - 1] if number else 0
            end, column = begin + count, int(first)
            stored = np.array(self.arrays[number].host[begin - 1 + column : end])
            segment[column : 1 + count] = _as_floats(torch.from_numpy(stored))
        return segments

    def waveform(self, utterance: Utterance) -> Tensor:
        """An utterance's samples, float32 [samples]."""
        start, length = self.first[utterance.id], num_samples(utterance)
        begin, count = torch.tensor([[start], [length]], device=self.device)
        return self.read_segments(begin, count, torch.ones_like(begin).bool(), length)[0, 1:]


def _by_corpus(
    utterances: Sequence[Utterance], data_folder: DataFolder
) -> dict[str, list[Utterance]]:
    """The utterances by the folder of their packed samples, relative to the prepared folder."""
    if not isinstance(data_folder, Mapping):
        return {"": list(utterances)}
    rows: dict[str, list[Utterance]] = {}
    for u in utterances:
        rows.setdefault(u.corpus, []).append(u)
    return rows


def _as_floats(samples: Tensor) -> Tensor:
    return samples.float() / FULL_SCALE if samples.dtype == torch.int16 else samples
