"""Decode uncompressed formats, and rare ones, by libsndfile."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from camser.audio import wav
from camser.audio.conversion import Warn
from camser.audio.decoding import UnknownFormatError, warn_if_cut
from camser.audio.form import FileForm

# How WAV, RF64, Wave64, AIFF, AU and NIST files begin.
MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"dns.", b"NIST_1A")
CHUNK_FRAMES = 2**14  # frames decoded at a time: about 1 s
MAX_FRAMES = 2**60  # libsndfile's number of frames where it knows none is about 2 ** 63
# How libsndfile's log reports a file that is shorter than declared, by format.
SIZE = r"(?:data|SSND|Data Size|Riff size|riff) *: (\d+) \(should be (\d+)\)"
UNKNOWN_LENGTH = 0x7FFF0000  # programs that do not know the size declare about this or more


def decode(file: BinaryIO, warn: Warn) -> Iterator[tuple[int, np.ndarray]]:
    """The sampling rate and [samples, channels], float32, of each chunk of an open file.

    Raises
    ------
    UnknownFormatError
        If libsndfile does not know the format.
    """
    import soundfile

    layout = wav.find_samples(file, warn)
    with _open(file, layout) as sound:
        # In a seekable file, soundfile seeks after each read, which is not exact in every format.
        sound.seekable = lambda: False
        present = 0
        try:
            while len(chunk := sound.read(CHUNK_FRAMES, dtype="float32", always_2d=True)):
                present += len(chunk)
                yield sound.samplerate, chunk
        except soundfile.SoundFileError:
            warn(f"damaged after {present / sound.samplerate:.2f} s; the rest was not read")
        if not layout:
            _warn_if_cut(sound, present, warn)


def read_form(file: BinaryIO) -> FileForm | None:
    """The form of an open file; None if libsndfile does not know it."""
    layout = wav.find_samples(file, lambda _: None)
    try:
        with _open(file, layout) as sound:
            container = "wav" if layout else sound.format.lower()
            return FileForm(container, sound.subtype.lower(), sound.samplerate, sound.channels)
    except UnknownFormatError:
        return None


def _open(file: BinaryIO, layout: dict[str, Any] | None) -> Any:
    """A SoundFile: of the samples that ``wav.find_samples`` has found, or of the complete file."""
    import soundfile

    whole = {"file": wav.Section(file, 0, file.seek(0, io.SEEK_END))}
    try:
        return soundfile.SoundFile(**(layout or whole))
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: headerless formats
        raise UnknownFormatError from error


def _warn_if_cut(sound: Any, present: int, warn: Warn) -> None:
    """Compare the samples that were read with what the header, or libsndfile's log, says."""
    declared = sound.frames if sound.frames < MAX_FRAMES else present
    # libsndfile corrects the number of a file that is cut short, and says so only in its log.
    size = re.search(SIZE, sound.extra_info)
    if size and 0 < int(size[2]) < int(size[1]) < UNKNOWN_LENGTH:
        declared = max(declared, round(present * int(size[1]) / int(size[2])))
    warn_if_cut(declared / sound.samplerate, present / sound.samplerate, warn)
