"""Read the samples of utterances: complete files, or cuts of long ones, which are decoded once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from camser import audio
from camser.audio.conversion import Warn
from camser.data.manifest import DataFolder, Utterance, audio_path

CHUNK = 30 * audio.SAMPLE_RATE  # samples decoded at a time
MAX_OVERSHOOT = audio.SAMPLE_RATE // 2  # an utterance may end so much after its file, as in Kaldi


class UtteranceReader:
    """Reads the samples of utterances, those of one file best in the order of their starts.

    A file is then decoded once, for any number of utterances. The samples of one utterance and one
    chunk of its file are in memory.

    Arguments
    ---------
    data_folder : str, Path or mapping of str to those
        The base of the manifest's paths, as for ``manifest.audio_path``.

    Example
    -------
    >>> import tempfile, soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.arange(32000) / 32768, 16000)
    ...     reader = UtteranceReader(folder)
    ...     cut = reader.read(Utterance("c/a", "c", "a.wav", 0.5, start=1.25, end=1.75))
    ...     len(cut), float(cut[0]) * 32768 / 16000
    (8000, 1.25)
    """

    def __init__(self, data_folder: DataFolder) -> None:
        self.data_folder = data_folder
        self.path: Path | None = None  # the open file
        self.chunks: Iterator[np.ndarray] = iter(())
        self.first, self.held = 0, np.zeros(0, np.float32)  # samples of it, the first at ``first``
        self.error: audio.AudioError | None = None

    def read(self, utterance: Utterance, warn: Warn | None = None) -> np.ndarray:
        """The samples of an utterance, [samples], float32, at 16 kHz.

        ``warn`` is called with the oddities of a complete file, see ``audio.load``; those of one
        that is cut are logged.

        Raises
        ------
        AudioError
            As ``audio.load``; or if the file ends before the utterance does, by more than
            ``MAX_OVERSHOOT``.
        """
        path = audio_path(self.data_folder, utterance)
        if not utterance.is_cut:
            return audio.load(path, warn)
        begin = round(utterance.start * audio.SAMPLE_RATE)
        end = None if utterance.end is None else round(utterance.end * audio.SAMPLE_RATE)
        if path != self.path or begin < self.first:
            self.path, self.chunks = path, audio.iter_chunks(path, CHUNK)
            self.first, self.held, self.error = 0, np.zeros(0, np.float32), None
        samples = self._decode(begin, end)[: None if end is None else end - begin]
        if not len(samples) or (end or 0) - begin - len(samples) > MAX_OVERSHOOT:
            last = (self.first + len(self.held)) / audio.SAMPLE_RATE
            span = (
                f"{utterance.start:g} s to {'its end' if end is None else f'{utterance.end:g} s'}"
            )
            raise audio.AudioError(f"{path}: ends at {last:.2f} s; an utterance is from {span}")
        return samples

    def _decode(self, begin: int, end: int | None) -> np.ndarray:
        """Decode up to ``end``, forget what is before ``begin``; the samples from there on."""
        if self.error:
            raise self.error
        parts = [self.held]
        length = len(self.held)
        while end is None or self.first + length < end:
            try:
                chunk = next(self.chunks, None)
            except audio.AudioError as error:
                self.error = error
                raise
            if chunk is None:
                break
            if self.first + length <= begin:
                self.first, parts, length = self.first + length, [], 0
            parts.append(chunk)
            length += len(chunk)
        held = np.concatenate(parts)
        skipped = min(max(0, begin - self.first), len(held))
        self.first, self.held = self.first + skipped, held[skipped:].copy()
        return self.held
