"""One embedding per recording of any length; segments of several recordings share a batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from camser.audio import AudioError
from camser.inference.recordings import Recording, iter_segments, source_name

OnError = Callable[[str, AudioError], None]
Embed = Callable[[list[np.ndarray]], Tensor]


@dataclass
class RunningMean:
    """The mean over the segments of a recording, updated segment by segment.

    Attributes
    ----------
    source : str
        The recording's name.
    samples : int
        Its length, at 16 kHz.
    """

    source: str
    samples: int = 0
    waiting: int = 0
    count: int = 0
    total: Any = 0.0  # a Tensor after the first ``add``

    def add(self, embedding: Tensor) -> None:
        """Add the embedding of a segment, [embedding_size]."""
        self.total = self.total + embedding.double()  # a day has 28800 segments
        self.count, self.waiting = self.count + 1, self.waiting - 1

    @property
    def embedding(self) -> Tensor:
        """[embedding_size]"""
        return (self.total / self.count).float()


def stream_embeddings(
    recordings: Iterable[Recording],
    sample_rate: int,
    segment_samples: int,
    embed: Embed,
    batch_size: int,
    on_error: OnError | None = None,
) -> Iterator[RunningMean]:
    """Yield the mean embeddings of recordings, in their order, each when it is ready.

    Arguments
    ---------
    recordings : iterable
        Paths or arrays.
    sample_rate : int
        Sampling rate of arrays, in Hz.
    segment_samples : int
        Length of a segment, at 16 kHz.
    embed : callable
        Maps segments to [segments, embedding_size]; the last segment of a recording is shorter.
    batch_size : int
        Number of segments in a batch.
    on_error : callable, optional
        Called for a recording that cannot be read, which is skipped; by default, raise.
    """
    batch: list[tuple[RunningMean, np.ndarray]] = []
    queue: deque[RunningMean] = deque()
    for number, recording in enumerate(recordings):
        mean = RunningMean(source_name(recording, number))
        try:
            for segment in iter_segments(recording, mean.source, sample_rate, segment_samples):
                batch.append((mean, segment))
                mean.waiting, mean.samples = mean.waiting + 1, mean.samples + len(segment)
                if len(batch) == batch_size:
                    batch = _run(embed, batch)
        except AudioError as error:
            if on_error is None:
                raise
            on_error(mean.source, error)
            batch = [item for item in batch if item[0] is not mean]
            continue
        queue.append(mean)
        while queue and not queue[0].waiting:
            yield queue.popleft()
    _run(embed, batch)
    yield from queue


def _run(embed: Embed, batch: list[tuple[RunningMean, np.ndarray]]) -> list:
    """Add the embeddings of a batch to the means; returns the next batch, empty."""
    if batch:
        segments = [segment for _, segment in batch]
        for (mean, _), embedding in zip(batch, embed(segments), strict=True):
            mean.add(embedding)
    return []
