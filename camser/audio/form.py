"""In which form a recording is stored: container, codec, sampling rate, channels."""

from __future__ import annotations

import os
from typing import NamedTuple


class FileForm(NamedTuple):
    """What the header of a file says.

    Arguments
    ---------
    container : str
        E.g. "wav"; of a family that shares one, the first name.
    codec : str
        E.g. "pcm_16", "flac", "aac".
    sample_rate : int
        In Hz.
    channels : int
    """

    container: str
    codec: str
    sample_rate: int
    channels: int

    def __str__(self) -> str:
        channels = "1 channel" if self.channels == 1 else f"{self.channels} channels"
        name = " ".join(dict.fromkeys((self.container, self.codec)))
        return f"{name}, {self.sample_rate} Hz, {channels}"


def read_form(path: str | os.PathLike) -> FileForm | None:
    """The form of a file by its header; None if no decoder opens it. Nothing is decoded.

    Example
    -------
    >>> import tempfile, numpy, soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", numpy.zeros(800), 8000)
    ...     print(read_form(f"{folder}/a.wav"))
    wav pcm_16, 8000 Hz, 1 channel
    """
    from camser.audio import ffmpeg, libsndfile

    try:
        with open(path, "rb") as file:
            readers = [ffmpeg.read_form, libsndfile.read_form]
            if file.read(8).startswith(libsndfile.MAGIC):
                readers.reverse()
            for read in readers:
                file.seek(0)
                if (form := read(file)) is not None:
                    return form
    except OSError:
        pass
    return None
