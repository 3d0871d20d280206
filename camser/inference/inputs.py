"""What callers give as a recording: files, their content, and arrays, alone or with a rate."""

from __future__ import annotations

import inspect
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, BinaryIO, Union

import numpy as np

from camser import audio
from camser.audio import AudioError
from camser.audio.conversion import Warn, pcm_to_float

if TYPE_CHECKING:
    from torch import Tensor

Samples = Union[np.ndarray, "Tensor"]
Content = bytes | bytearray | memoryview | BinaryIO
Pair = tuple[int, Samples] | tuple[Samples, int]
Recording = str | os.PathLike | Content | Samples | Pair | Mapping[str, Any]
PATH, CONTENT = (str, os.PathLike), (bytes, bytearray, memoryview)
MAX_CHANNELS = 64  # no recorder has more
ALLOWED = (
    "give a path, an open file or its bytes, an array of samples, (rate, array), or a dict with "
    "'array' and 'sampling_rate', with 'bytes', or with 'path'"
)


def is_recording(value: Any) -> bool:
    """Whether a value is one recording, and not several.

    Example
    -------
    >>> is_recording("a.wav"), is_recording(["a.wav"]), is_recording((16000, np.zeros(9)))
    (True, False, True)
    """
    kinds = (*PATH, *CONTENT, Mapping)
    return isinstance(value, kinds) or _is_file(value) or _is_array(value) or _is_pair(value)


def check_several(recordings: Any) -> None:
    """Raise an AudioError unless this is an iterable of recordings."""
    if is_recording(recordings):
        kind = type(recordings).__name__
        raise AudioError(f"recordings is one recording, a {kind}; give a list: [recording]")
    if not isinstance(recordings, Iterable):
        raise AudioError(f"recordings is {recordings!r:.80}; {ALLOWED}; or a list of those")


def source_name(recording: Any, number: int) -> str:
    """The name of a recording: its path, that of its file, or ``array 3``.

    Example
    -------
    >>> source_name("a.wav", 0), source_name(np.zeros(9), 3), source_name(b"RIFF", 4)
    ('a.wav', 'array 3', 'file 4')
    """
    is_table, is_file = isinstance(recording, Mapping), _is_file(recording)
    path = recording.get("path") if is_table else recording
    if is_file:  # an upload has the name of its field, and that of its file
        path = getattr(recording, "filename", None) or getattr(recording, "name", None)
    if isinstance(path, PATH):
        return str(path)
    has_content = is_file or isinstance(recording.get("bytes") if is_table else recording, CONTENT)
    return f"{'file' if has_content else 'array'} {number}"


def read_chunks(
    recording: Any, name: str, sample_rate: int, num_samples: int, warn: Warn | None = None
) -> Iterator[np.ndarray]:
    """A recording's samples at 16 kHz, in chunks of one size; the last may be shorter.

    Arguments
    ---------
    recording : path, bytes, binary file, array, (rate, array), or mapping
        A file in any format, see ``audio.load``, or its content. An array is [samples],
        [samples, channels] or [channels, samples]: of two axes, the longer is time. Floats are in
        [-1, 1]; integers are taken as PCM.
    name : str
        Its name in messages.
    sample_rate : int
        Sampling rate of an array that comes without one, in Hz; a file has its own.
    num_samples : int
        Samples of a chunk.
    warn : callable, optional
        As for ``audio.load``.

    Raises
    ------
    AudioError
        If it is not a sound recording, see ``audio.load``.
    """
    if isinstance(recording, Mapping):
        recording, sample_rate = _of_mapping(recording, name, sample_rate)
    elif _is_pair(recording):
        recording, sample_rate = sorted(recording, key=_is_rate)
    if isinstance(recording, CONTENT):
        recording = io.BytesIO(recording)
    elif _is_file(recording):
        recording = _seekable(recording, name)
    if isinstance(recording, PATH) or _is_file(recording):
        yield from audio.iter_chunks(recording, num_samples, warn, name)
    else:
        samples = _floats(recording, name, warn)
        sample_rate = int(sample_rate) if _is_rate(sample_rate) else sample_rate
        yield from audio.iter_array_chunks(samples, sample_rate, num_samples, name, warn)


def _is_file(value: Any) -> bool:
    return hasattr(value, "read") and not isinstance(value, PATH)


def _is_array(value: Any) -> bool:
    """Whether it is an array of NumPy or a tensor of PyTorch, which is perhaps not installed."""
    return isinstance(value, np.ndarray) or hasattr(value, "detach")


def _is_rate(value: Any) -> bool:
    return isinstance(value, Integral)


def _is_pair(value: Any) -> bool:
    """Whether it is (rate, array), of Gradio, or (array, rate), of torchaudio and soundfile."""
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    return any(_is_rate(a) and _is_array(b) for a, b in (value, value[::-1]))


def _of_mapping(table: Mapping[str, Any], name: str, sample_rate: int) -> tuple[Any, Any]:
    """The content of a Hugging Face dataset's ``Audio``, decoded or not, and its rate."""
    samples, rate = table.get("array"), table.get("sampling_rate")
    if samples is not None and isinstance(rate, Real):
        return samples if _is_array(samples) else np.asarray(samples), rate
    for key in ("bytes", "path"):
        if table.get(key) is not None:
            return table[key], sample_rate
    raise AudioError(f"{name} is a dict with the keys {list(table)}; {ALLOWED}")


def _seekable(file: Any, name: str) -> BinaryIO:
    """An open file, or a copy of it in memory if it is a stream."""
    if getattr(file, "closed", False):
        raise AudioError(f"{name} is closed; give an open file, or its bytes")
    is_seekable = file.seekable() if hasattr(file, "seekable") else hasattr(file, "seek")
    # Of a response in chunks, read(-1) of http.client returns the lengths of the chunks too.
    content = file.read(0) if is_seekable else file.read()
    if isinstance(content, str):
        raise AudioError(f"{name} is open as text; open it with the mode 'rb'")
    if inspect.iscoroutine(content):
        content.close()
        raise AudioError(f"{name} is an asynchronous {type(file).__name__}; give its .file")
    return file if is_seekable else io.BytesIO(content)


def _floats(recording: Any, name: str, warn: Warn | None) -> np.ndarray:
    """[samples] or [samples, channels], in [-1, 1]"""
    if hasattr(recording, "detach"):
        if recording.is_floating_point() and recording.element_size() < 4:
            recording = recording.float()  # NumPy has no bfloat16
        recording = recording.detach().cpu().numpy()
    if not isinstance(recording, np.ndarray):
        raise AudioError(f"{name} is a {type(recording).__name__}; {ALLOWED}")
    is_wide = recording.ndim == 2 and len(recording) < recording.shape[1]
    samples = recording.T if is_wide else recording
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] > MAX_CHANNELS):
        raise AudioError(
            f"{name} has the shape {list(recording.shape)}; allowed: [samples], "
            f"[samples, channels] or [channels, samples], with up to {MAX_CHANNELS} channels"
        )
    if warn and samples.dtype.kind == "i" and samples.itemsize > 2:
        peak = max(int(samples.max(initial=0)), -int(samples.min(initial=0)))
        if 0 < peak <= 2**15:
            warn(
                f"holds 16-bit values as {samples.dtype}, which is read as nearly silent PCM of "
                f"{8 * samples.itemsize} bits; give int16, or the samples divided by 32768"
            )
    try:
        return pcm_to_float(samples)
    except TypeError as error:
        raise AudioError(f"{name} holds {error}; allowed: floats in [-1, 1], or PCM") from error
