"""Decode compressed formats by FFmpeg, packet by packet to the end, through PyAV."""

from __future__ import annotations

import functools
import io
import re
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from camser.audio.conversion import Warn, pcm_to_float
from camser.audio.decoding import DecodeError, UnknownFormatError, warn_if_cut
from camser.audio.form import FileForm

# No others are opened: some, such as playlists, can name other files and addresses.
CONTAINERS = (
    "mp3,aac,flac,ogg,mov,mp4,matroska,webm,asf,amr,wav,w64,aiff,caf,au,ac3,eac3,wv,avi,"
    "flv,mpeg,mpegts"
)
# Whose declared length is counted; that of others is estimated from the size of the file.
COUNTED = {"flac", "asf", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
XING = re.compile(rb"(?:Xing|Info)\0\0\0[\x01-\x0f](.{4})", re.DOTALL)  # counts an MP3's frames
MP3_PADDING = 3  # frames of the encoder's delay and padding
OGG_PAGE = 2**16  # bytes, at most
XING_BYTES = 256  # they stand in the first frame


def decode(file: BinaryIO, warn: Warn) -> Iterator[tuple[int, np.ndarray]]:
    """The sampling rate and [samples, channels], floats, of each chunk of an open file.

    Packets that cannot be decoded are skipped and counted, as by FFmpeg's own program.

    Raises
    ------
    UnknownFormatError
        If FFmpeg does not know the format.
    DecodeError
        If there is no sound in it, or none that can be decoded.
    """
    with _open(file) as container:
        stream = _sound(container)
        if stream.codec_context.name == "flac":  # it has checksums
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        declared, present, reader = _declared_seconds(container, stream, file), 0.0, _Packets()
        for rate, samples in reader.decode(container, stream):
            present += len(samples) / rate
            yield rate, samples
    if reader.damaged and not present:
        raise DecodeError("is damaged; no part of it can be decoded")
    if reader.damaged:
        warn(f"damaged: {reader.damaged} packets were skipped")
    if container.format.name == "ogg" and not _last_ogg_page(file).is_last:
        warn("has no last page; check that it is complete")
    else:
        warn_if_cut(declared, present, warn)


def read_form(file: BinaryIO) -> FileForm | None:
    """The form of an open file; None if FFmpeg does not know it."""
    try:
        with _open(file) as container:
            codec = _sound(container).codec_context
            names = container.format.name.split(","), codec.codec.canonical_name
            return FileForm(names[0][0], names[1], codec.sample_rate, codec.channels)
    except DecodeError:
        return None


def _open(file: BinaryIO) -> Any:
    import av

    options = {"format_whitelist": CONTAINERS, "codec_whitelist": _sound_codecs()}
    try:
        return av.open(_Unnamed(file), metadata_errors="replace", options=options)
    except av.error.FFmpegError as error:
        raise UnknownFormatError from error


def _sound(container: Any) -> Any:
    """Its stream of sound."""
    stream = container.streams.best("audio")
    if stream is None or stream.codec_context is None:
        raise DecodeError("has no sound, or none that FFmpeg decodes")
    return stream


class _Packets:
    """Decodes the packets of a stream, and counts those that cannot be decoded."""

    def __init__(self) -> None:
        self.damaged = 0

    def decode(self, container: Any, stream: Any) -> Iterator[tuple[int, np.ndarray]]:
        import av

        for packet in self._demux(container, stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self.damaged += 1
                continue
            for frame in frames:
                yield frame.rate, _samples(frame)

    def _demux(self, container: Any, stream: Any) -> Iterator[Any]:
        """The packets up to the end, or to where the container is damaged."""
        import av

        try:
            yield from container.demux(stream)
        except av.error.FFmpegError:
            self.damaged += 1


def _samples(frame: Any) -> np.ndarray:
    """[samples, channels]"""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(frame.samples, -1)
    return pcm_to_float(values)


def _declared_seconds(container: Any, stream: Any, file: BinaryIO) -> float:
    """The declared length; 0 if there is none, or if it is an estimate."""
    name = container.format.name
    if name == "ogg":
        return _last_ogg_page(file).num_samples / stream.rate
    if name == "caf":  # FFmpeg's duration is what the file can hold
        return stream.frames / stream.rate
    if name == "mp3":
        size = 1152 if stream.rate >= 32000 else 576
        return max(0, _xing_frames(file) - MP3_PADDING) * size / stream.rate
    if name not in COUNTED:
        return 0.0
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1e6


def _xing_frames(file: BinaryIO) -> int:
    """The number of frames that an MP3's first one declares; 0 if it declares none."""
    position = file.tell()
    file.seek(0)
    head = file.read(10)
    if head.startswith(b"ID3") and len(head) == 10:  # four bytes of seven bits each
        size = functools.reduce(lambda total, byte: total << 7 | byte & 127, head[6:], 0)
        file.seek(10 + size)
        head = b""
    head += file.read(XING_BYTES)
    file.seek(position)
    found = XING.search(head)
    return int.from_bytes(found[1], "big") if found else 0


class _OggPage(NamedTuple):
    """Whether an Ogg file's last page says that it is, and the number of samples up to its end."""

    is_last: bool
    num_samples: int


def _last_ogg_page(file: BinaryIO) -> _OggPage:
    position, end = file.tell(), file.seek(0, io.SEEK_END)
    file.seek(max(0, end - OGG_PAGE))
    _, _, page = file.read().rpartition(b"OggS")
    file.seek(position)
    if len(page) < 10:
        return _OggPage(False, 0)
    _, flags, num_samples = struct.unpack("<BBq", page[:10])
    return _OggPage(bool(flags & 4), num_samples)


@functools.cache
def _sound_codecs() -> str:
    """The decoders of sound, by name. FFmpeg may run no other, such as a video's."""
    import av

    def is_sound(name: str) -> bool:
        try:
            return av.Codec(name, "r").type == "audio"
        except ValueError:  # it only encodes
            return False

    return ",".join(sorted(filter(is_sound, av.codecs_available)))


class _Unnamed:
    """An open file without its name, by which FFmpeg would guess the format."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):  # where a damaged file leads; PyAV would print a traceback
            return -1

    def tell(self) -> int:
        return self._file.tell()
