"""A file of samples that grows by one recording after another, in bounded memory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO

import numpy as np

from camser import audio
from camser.data.array_cache import write_header

FULL_SCALE = 32768  # of 16-bit samples
STEP = 1 << 20  # samples that are converted at a time


class SampleFile:
    """The samples of recordings in numpy's format: int16 while that is exact, then float32.

    Arguments
    ---------
    file : file object
        A new file, open to read and write.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.length = file, 0
        self.dtype: np.dtype = np.dtype(np.int16)
        write_header(file, self.dtype, (0,))
        self.header_size = file.tell()

    def append_recording(self, path: Path, most: int | None) -> int:
        """Append a recording, or its first ``most`` samples; returns their number.

        A recording that fails leaves nothing.
        """
        before = self.length
        end = math.inf if most is None else before + most
        try:
            for chunk in audio.iter_chunks(path, audio.CHUNK_FRAMES):
                self._append(chunk[: min(len(chunk), end - self.length)])
                if self.length == end:
                    break
            if most is not None and self.length < end:
                raise audio.AudioError(
                    f"{path}: ends before sample {most}; if the file changed after its "
                    f"preparation, delete the prepared folder and prepare again"
                )
        except audio.AudioError:
            self.length = before
            self.file.seek(self._position(before))
            self.file.truncate()
            raise
        return self.length - before

    def finish(self) -> None:
        """Write the header anew, with the type and the length."""
        self.file.seek(0)
        write_header(self.file, self.dtype, (self.length,))

    def _append(self, samples: np.ndarray) -> None:
        if self.dtype == np.int16:
            scaled = samples * FULL_SCALE  # a power of two: nothing is rounded
            integers = scaled.clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
            if (integers == scaled).all():
                samples = integers
            else:
                self._widen()
        self.file.write(np.ascontiguousarray(samples, self.dtype).data)
        self.length += len(samples)

    def _widen(self) -> None:
        """Convert the samples to float32 in their place, from the last to the first."""
        for start in reversed(range(0, self.length, STEP)):
            self.file.seek(self._position(start))
            stored = self.file.read(2 * min(STEP, self.length - start))
            self.file.seek(self.header_size + 4 * start)
            samples = np.frombuffer(stored, np.int16).astype(np.float32) / FULL_SCALE
            self.file.write(samples.data)
        self.dtype = np.dtype(np.float32)
        self.file.seek(self._position(self.length))

    def _position(self, sample: int) -> int:
        return self.header_size + self.dtype.itemsize * sample
