"""The samples of a corpus in one memory-mapped array, decoded once; segments are cut from it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speechbrain.utils.distributed import ddp_barrier, if_main_process
from torch import Tensor
from tqdm import tqdm

from camser import audio
from camser.data.manifest import DataFolder, Utterance, audio_path, fingerprint
from camser.data.mapped_array import (
    MappedArray,
    is_valid_array,
    open_array,
    write_array,
    write_index,
)

logger = logging.getLogger(__name__)
FORMAT = "camser packed audio, 2"
FULL_SCALE = 32768  # of 16-bit samples


def num_samples(utterance: Utterance) -> int:
    """Length at 16 kHz."""
    return round(utterance.seconds * audio.SAMPLE_RATE)


class _Inexact(Exception):
    """16 bits cannot represent a sample exactly."""


class PackedAudio:
    """The samples of a manifest's utterances, concatenated.

    They equal what ``audio.load`` returns. A corpus is stored as int16 if that is exact for every
    sample, as it is for 16-bit mono files at 16 kHz; else as float32. ``<fingerprint of the
    manifest>.npy`` holds the samples. The ``.json`` index beside it, written last, describes
    them. If the two do not agree, the corpus is packed again.

    With several processes, the main one packs, and all must construct the object.

    Arguments
    ---------
    utterances : sequence of Utterance
        All utterances of the manifest.
    data_folder : str, Path or mapping of str to those
        The base of the manifest's paths, as for ``manifest.audio_path``.
    folder : str or Path
        The folder of the packed files.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    AudioError
        If an utterance cannot be read, or is shorter than in the manifest.

    Attributes
    ----------
    samples : MappedArray
        [samples of all utterances]
    first : dict of str to int
        The first sample of each utterance, by its id.

    Example
    -------
    >>> import tempfile, soundfile
    >>> row = Utterance("c/a", "c", "a.wav", 0.5, "c/1", "male")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.full(8000, 0.25), 16000)
    ...     packed = PackedAudio([row], folder, f"{folder}/packed")
    ...     start, length = torch.tensor([7999]), torch.tensor([1])
    ...     packed.samples.host.dtype, packed.read_segments(start, length, 3)
    (dtype('int16'), tensor([[0.2500, 0.0000, 0.0000]]))
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        data_folder: DataFolder,
        folder: str | Path,
        progress: bool = False,
    ) -> None:
        self.path = Path(folder) / f"{fingerprint(utterances)}.npy"
        self.first, self.total = {}, 0
        for u in utterances:
            self.first[u.id] = self.total
            self.total += num_samples(u)
        if if_main_process() and not is_valid_array(self.path, self._index_record(utterances)):
            self._pack(utterances, data_folder, progress)
        ddp_barrier()
        samples = self._open()
        if samples is None:
            raise OSError(f"{self.path} is missing or invalid; all processes must share {folder}")
        self.samples: MappedArray = samples

    def read_segments(self, start: Tensor, length: Tensor, width: int) -> Tensor:
        """Read segments of the samples, padded at their ends with silence.

        Arguments
        ---------
        start, length : Tensor
            [segments], the first sample of each and its length, at most ``width``; on the
            samples' device.
        width : int
            Samples per row.

        Returns
        -------
        Tensor
            [segments, width], float32, on the same device.
        """
        scale = 1 / FULL_SCALE if self.samples.host.dtype == np.int16 else 1.0
        if self.samples.copy is not None:
            columns = torch.arange(width, device=start.device)
            inside = columns < length.unsqueeze(1)
            indices = torch.where(inside, start.unsqueeze(1) + columns, 0)
            return (self.samples.copy[indices] * scale).masked_fill_(~inside, 0.0)
        segments = np.zeros((len(start), width), np.float32)
        for segment, begin, count in zip(segments, start.tolist(), length.tolist(), strict=True):
            stored = self.samples.host[begin : begin + count]
            np.multiply(stored, np.float32(scale), out=segment[:count])
        return torch.from_numpy(segments)

    def waveform(self, utterance: Utterance) -> Tensor:
        """An utterance's samples, float32 [samples]."""
        start, length = self.first[utterance.id], num_samples(utterance)
        begin, count = torch.tensor([[start], [length]], device=self.device)
        return self.read_segments(begin, count, length)[0]

    @property
    def device(self) -> torch.device:
        """The samples' device."""
        copy = self.samples.copy
        return torch.device("cpu") if copy is None else copy.device

    def _open(self) -> MappedArray | None:
        return open_array(self.path, (self.total,), (np.int16, np.float32))

    def _index_record(self, utterances: Sequence[Utterance]) -> dict[str, Any]:
        """The content of the index, except the array's checksum."""
        return {
            "format": FORMAT,
            "manifest": fingerprint(utterances),
            "utterances": {u.id: [self.first[u.id], num_samples(u)] for u in utterances},
        }

    def _pack(
        self, utterances: Sequence[Utterance], data_folder: DataFolder, progress: bool
    ) -> None:
        logger.info("packing the audio of %d utterances into %s", len(utterances), self.path)
        try:
            decoded = map(_as_int16, _decode(utterances, data_folder, progress))
            write_array(self.path, np.int16, (self.total,), decoded)
        except _Inexact:
            decoded = _decode(utterances, data_folder, progress)
            write_array(self.path, np.float32, (self.total,), decoded)
        write_index(self.path, self._index_record(utterances))


def _decode(
    utterances: Sequence[Utterance], data_folder: DataFolder, progress: bool
) -> Iterator[np.ndarray]:
    for u in tqdm(utterances, desc="packed audio", disable=not progress):
        yield audio.load(audio_path(data_folder, u), 0, num_samples(u))


def _as_int16(samples: np.ndarray) -> np.ndarray:
    """Convert samples to 16 bits, or raise ``_Inexact`` if that changes any."""
    scaled = samples * FULL_SCALE  # a power of two: nothing is rounded
    integers = scaled.clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    if (integers != scaled).any():
        raise _Inexact
    return integers
