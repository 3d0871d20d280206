"""Recordings to segments of 16-kHz samples."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from camser.audio.quality import QualityCheck
from camser.audio.windows import iter_windows
from camser.inference.inputs import check_several, read_chunks, source_name

if TYPE_CHECKING:
    from camser.inference.inputs import Recording


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
    recording, name, sample_rate
        As for ``inputs.read_chunks``.
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
    chunks = read_chunks(recording, name, sample_rate, step, check.warn if check else None)
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
    """The segments of each recording, see ``iter_segments``; each has a check of its own.

    Raises
    ------
    AudioError
        If these are not several recordings; when the first is asked for.
    """
    check_several(recordings)
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


def batched(items: Iterable, size: int) -> Iterator[list]:
    """Lists of ``size`` items; the last may be shorter."""
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch
