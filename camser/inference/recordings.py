"""Recordings, as paths or arrays, to segments of 16-kHz samples."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from camser import audio
from camser.audio import AudioError
from camser.audio.conversion import Warn, pcm_to_float
from camser.audio.quality import QualityCheck
from camser.segments import iter_windows

Recording = str | os.PathLike | np.ndarray | torch.Tensor
MAX_CHANNELS = 64  # an array with more is probably [channels, samples]


def source_name(recording: Recording, number: int) -> str:
    """The name of a recording: its path, or ``array 3``."""
    is_path = isinstance(recording, (str, os.PathLike))
    return str(recording) if is_path else f"array {number}"


class SegmentStream(NamedTuple):
    """A recording's name, its segments, and the check that looks at its samples, if any."""

    name: str
    segments: Iterator[np.ndarray]
    check: QualityCheck | None = None


def iter_segments(
    recording: Recording,
    name: str,
    sample_rate: int,
    size: int,
    step: int,
    check: QualityCheck | None = None,
) -> Iterator[np.ndarray]:
    """Segments or windows of a recording, each with the sample before it; the last may be shorter.

    Each has up to ``1 + size`` samples. Before the recording is a 0.

    Arguments
    ---------
    recording : path or array
        A file in any format, or [samples] or [samples, channels]; integers are taken as PCM.
    name : str
        Its name in messages.
    sample_rate : int
        Sampling rate of an array, in Hz; a file has its own.
    size : int
        Samples of a segment, at 16 kHz.
    step : int
        Samples between the starts of two, at most ``size``.
    check : QualityCheck, optional
        Looks at all samples, and gets the warnings of the reader, which are logged without it.

    Raises
    ------
    AudioError
        If it is not a sound recording, see ``audio.load``; at its end, as ``check`` does.
    """
    warn = check.warn if check else None
    if isinstance(recording, (str, os.PathLike)):
        chunks = audio.iter_chunks(recording, step, warn)
    else:
        samples = _floats(recording, name, warn)
        chunks = audio.iter_array_chunks(samples, sample_rate, step, name, warn)
    if check:
        chunks = check.watch(chunks, name)
    nothing = np.zeros(1, np.float32)
    yield from iter_windows(itertools.chain([nothing], chunks), 1 + size, step)


def named_segments(
    recordings: Iterable[Recording],
    sample_rate: int,
    size: int,
    step: int,
    new_check: Callable[[], QualityCheck | None] = lambda: None,
) -> Iterator[SegmentStream]:
    """The segments of each recording, see ``iter_segments``; each has a check of its own."""
    for number, recording in enumerate(recordings):
        name, check = source_name(recording, number), new_check()
        segments = iter_segments(recording, name, sample_rate, size, step, check)
        yield SegmentStream(name, segments, check)


def named_windows(
    recording: Recording,
    sample_rate: int,
    window: int,
    hop: int,
    size: int,
    step: int,
    check: QualityCheck,
) -> Iterator[SegmentStream]:
    """The segments of each window of a recording, see ``iter_segments``."""
    name = source_name(recording, 0)
    for samples in iter_segments(recording, name, sample_rate, window, hop, check):
        yield SegmentStream(name, iter_windows([samples], 1 + size, step), check)


def _floats(recording: np.ndarray | torch.Tensor, name: str, warn: Warn | None) -> np.ndarray:
    """[samples] or [samples, channels], in [-1, 1]"""
    if isinstance(recording, torch.Tensor):
        recording = recording.detach().cpu().numpy()
    if not isinstance(recording, np.ndarray):
        raise AudioError(
            f"{name} is a {type(recording).__name__}; give a path, or an array of samples"
        )
    if recording.ndim not in (1, 2) or (recording.ndim == 2 and recording.shape[1] > MAX_CHANNELS):
        raise AudioError(
            f"{name} has the shape {list(recording.shape)}; allowed: [samples] or "
            f"[samples, channels]"
        )
    if warn and recording.dtype.kind == "i" and recording.itemsize > 2:
        peak = max(int(recording.max(initial=0)), -int(recording.min(initial=0)))
        if 0 < peak <= 2**15:
            warn(
                f"holds 16-bit values as {recording.dtype}, which is read as nearly silent PCM of "
                f"{8 * recording.itemsize} bits; give int16, or the samples divided by 32768"
            )
    try:
        return pcm_to_float(recording)
    except TypeError as error:
        raise AudioError(f"{name} holds {error}; allowed: floats in [-1, 1], or PCM") from error


def batched(items: Iterable, size: int) -> Iterator[list]:
    """Lists of ``size`` items; the last may be shorter."""
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch
