"""A corpus's samples in one array: decoded once, mapped into memory, segments cut out of it."""

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
    """A sample that 16 bits cannot hold."""


class PackedAudio:
    """The samples of a manifest's utterances, one after the other.

    They equal what ``audio.load`` gives: a corpus is kept as int16 only where that is exact for
    every sample of it, as it is for 16-bit mono files at 16 kHz, else as float32. ``<fingerprint
    of the manifest>.npy`` holds the samples; ``.json`` beside it, written last, says what they
    are. Where the two do not agree, the corpus is packed again.

    Under several processes the main one packs, and all must construct it.

    Arguments
    ---------
    utterances : sequence of Utterance
        The whole manifest.
    data_folder : str, Path or mapping of str to those
        What the manifest's paths are relative to, as for ``corpus.locate``.
    folder : str or Path
        Where the files are kept.
    progress : bool
        Whether to show a bar.

    Raises
    ------
    AudioError
        If an utterance cannot be read, or ends before the manifest says.

    Attributes
    ----------
    samples : MappedArray
        [samples of all utterances]
    first : dict of str to int
        Where each utterance begins, by its id.

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
            raise OSError(f"{self.path} is not there; all processes must share {folder}")
        self.samples: MappedArray = samples

    def read_segments(self, start: Tensor, length: Tensor, width: int) -> Tensor:
        """Stretches of the samples, padded at their ends with silence.

        Arguments
        ---------
        start, length : Tensor
            [items], where each begins and how many samples it has, at most ``width``; on the
            device on which the samples lie.
        width : int
            Samples of a row.

        Returns
        -------
        Tensor
            [items, width], float32, on the same device.
        """
        scale = 1 / FULL_SCALE if self.samples.host.dtype == np.int16 else 1.0
        if self.samples.copy is not None:
            columns = torch.arange(width, device=start.device)
            inside = columns < length.unsqueeze(1)
            places = torch.where(inside, start.unsqueeze(1) + columns, 0)
            return (self.samples.copy[places] * scale).masked_fill_(~inside, 0.0)
        waves = np.zeros((len(start), width), np.float32)
        for wave, begin, count in zip(waves, start.tolist(), length.tolist(), strict=True):
            part = self.samples.host[begin : begin + count]
            np.multiply(part, np.float32(scale), out=wave[:count])
        return torch.from_numpy(waves)

    def waveform(self, utterance: Utterance) -> Tensor:
        """An utterance's samples, float32 [samples]."""
        start, length = self.first[utterance.id], num_samples(utterance)
        begin, count = torch.tensor([[start], [length]], device=self.device)
        return self.read_segments(begin, count, length)[0]

    @property
    def device(self) -> torch.device:
        """Where the samples lie."""
        copy = self.samples.copy
        return torch.device("cpu") if copy is None else copy.device

    def _open(self) -> MappedArray | None:
        return open_array(self.path, (self.total,), (np.int16, np.float32))

    def _index_record(self, utterances: Sequence[Utterance]) -> dict[str, Any]:
        """What the index says beside the array's digest."""
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
    """16-bit samples that are these exactly."""
    scaled = samples * FULL_SCALE  # a power of two: nothing is rounded
    whole = scaled.clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    if (whole != scaled).any():
        raise _Inexact
    return whole
