"""Find the samples of a WAV file whose sizes are wrong.

A recorder that crashed leaves 0, a stream the largest number, a file above 4 GiB what is left after
2 ** 32; some programs count the header twice. Then the samples reach to the end of the file.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from camser.audio.conversion import HIGHEST_RATE, Warn
from camser.audio.decoding import warn_if_cut

PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
SUBTYPES = {  # soundfile's names, by the format's code and the bytes of a sample
    (PCM, 1): "PCM_U8", (PCM, 2): "PCM_16", (PCM, 3): "PCM_24", (PCM, 4): "PCM_32",
    (FLOAT, 4): "FLOAT", (FLOAT, 8): "DOUBLE", (A_LAW, 1): "ALAW", (MU_LAW, 1): "ULAW",
}  # fmt: skip
MAX_CHUNKS = 1000
MAX_CHANNELS = 1024  # as in libsndfile
HEADER_BYTES = 64  # some programs count the header, or a chunk's, as samples
UNKNOWN_SIZE = 0x7FFF0000  # a stream's; some programs subtract a header from 2 ** 31 or 2 ** 32
TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LIST", b"id3 ")  # programs append them, some cut short


class Chunk(NamedTuple):
    """A chunk of a RIFF file: its name, where its content begins, and its declared size."""

    name: bytes
    start: int
    size: int


class Coding(NamedTuple):
    """What soundfile must know of samples without a header."""

    samplerate: int
    channels: int
    subtype: str
    endian: str
    frame_bytes: int


class Section(io.RawIOBase):
    """A part of an open file, from ``start`` on, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self.file, self.start, self.size, self.position = file, start, size, 0

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; returns the number of bytes."""
        view = memoryview(buffer)[: self.size - self.position]
        self.file.seek(self.start + self.position)
        content = self.file.read(len(view))  # not every open file has readinto
        view[: len(content)] = content
        self.position += len(content)
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset from the beginning, the position, or the end of the section."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        self.position = min(max(0, base + offset), self.size)  # damaged files lead anywhere
        return self.position

    def tell(self) -> int:
        """The position in the section."""
        return self.position


def find_samples(file: BinaryIO, warn: Warn) -> dict[str, Any] | None:
    """The arguments of ``soundfile.SoundFile`` for the samples, if the declared size is wrong.

    None if it is right, if the file is no WAV, or if its samples need a decoder.

    Example
    -------
    >>> coding = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    >>> file = io.BytesIO(b"RIFF....WAVEfmt " + coding + b"data" + bytes(4 + 600))
    >>> find_samples(file, print)["subtype"]
    'PCM_16'
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    form, _, kind = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
    if form not in (b"RIFF", b"RIFX") or kind != b"WAVE":
        return None
    order: str = "<" if form == b"RIFF" else ">"
    chunks: dict[bytes, Chunk] = {}
    for chunk in _chunks(file, 12, end, order):
        chunks.setdefault(chunk.name, chunk)
        if chunk.name == b"data":
            break
    if not {b"fmt ", b"data"} <= chunks.keys():
        return None
    data, coding = chunks[b"data"], _coding(file, chunks[b"fmt "], order)
    present = end - data.start
    if data.size and _begins_with(file, data.start + data.size, b"RIFF"):
        warn("another WAV follows in it; only the first was read")
    is_longer = 0 < data.size < present  # than declared
    if coding is None or data.size == present:
        return None
    if is_longer and _is_no_sound(file, data.start + data.size, end, order):
        return None
    rate = coding.samplerate * coding.frame_bytes
    if present + HEADER_BYTES < data.size < UNKNOWN_SIZE:
        warn_if_cut(data.size / rate, present / rate, warn)
    elif is_longer:
        warn(f"declares {data.size / rate:.2f} s and holds {present / rate:.2f} s; all were read")
    section = Section(file, data.start, present - present % coding.frame_bytes)
    arguments = coding._asdict()
    del arguments["frame_bytes"]
    return {"file": section, "format": "RAW", **arguments}


def _begins_with(file: BinaryIO, start: int, name: bytes) -> bool:
    file.seek(start + start % 2)
    return file.read(len(name)) == name


def _chunks(file: BinaryIO, start: int, end: int, order: str) -> Iterator[Chunk]:
    """The chunks of a RIFF file from ``start`` on, as far as their headers are there."""
    for _ in range(MAX_CHUNKS):
        file.seek(start)
        header = file.read(8)
        if len(header) < 8 or start >= end:
            return
        name, size = struct.unpack(f"{order}4sI", header)
        yield Chunk(name, start + 8, size)
        start += 8 + size + size % 2


def _coding(file: BinaryIO, chunk: Chunk, order: str) -> Coding | None:
    """What the format chunk says; None for samples that need a decoder."""
    file.seek(chunk.start)
    content = file.read(min(chunk.size, 40))
    if len(content) < 16:
        return None
    code, channels, rate, _, frame_bytes, _ = struct.unpack(f"{order}HHIIHH", content[:16])
    if code == EXTENSIBLE and len(content) == 40:
        (code,) = struct.unpack(f"{order}H", content[24:26])
    width = frame_bytes // channels if channels else 0
    subtype = SUBTYPES.get((code, width))
    is_possible = 0 < rate <= HIGHEST_RATE and channels <= MAX_CHANNELS
    if subtype is None or not is_possible or frame_bytes != width * channels:
        return None
    return Coding(rate, channels, subtype, "LITTLE" if order == "<" else "BIG", frame_bytes)


def _is_no_sound(file: BinaryIO, start: int, end: int, order: str) -> bool:
    """Whether other chunks, or a tag, fill the file from ``start`` to the end."""
    start += start % 2
    file.seek(start)
    if end - start < 8 or file.read(8).startswith(TAGS):
        return True
    for chunk in _chunks(file, start, end, order):
        if not all(32 <= byte < 127 for byte in chunk.name):
            return False
        start = chunk.start + chunk.size + chunk.size % 2
    return abs(end - start) < 8
