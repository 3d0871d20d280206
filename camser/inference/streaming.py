"""One embedding a recording of any length, the segments of several computed together."""

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
    """The mean over a recording's segments, as they come.

    Attributes
    ----------
    source : str
        The recording's name.
    samples : int
        How long it is, at 16 kHz.
    """

    source: str
    samples: int = 0
    waiting: int = 0
    count: int = 0
    total: Any = 0.0  # a Tensor, once there is one

    def add(self, embedding: Tensor) -> None:
        """Take a segment's embedding, [embedding_size]."""
        self.total = self.total + embedding.double()  # of a day there are 28800
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
    """The mean embeddings of recordings, in their order, each as soon as it is known.

    Arguments
    ---------
    recordings : iterable
        Paths or arrays.
    sample_rate : int
        Of arrays, in Hz.
    segment_samples : int
        Length of a segment, at 16 kHz.
    embed : callable
        Segments, the last of a recording shorter than others, to [segments, embedding_size].
    batch_size : int
        Segments at once.
    on_error : callable, optional
        Told of a recording that cannot be read, which is left out; by default that is raised.
    """
    batch: list[tuple[RunningMean, np.ndarray]] = []
    queue: deque[RunningMean] = deque()
    for number, recording in enumerate(recordings):
        mean = RunningMean(source_name(recording, number))
        try:
            for block in iter_segments(recording, mean.source, sample_rate, segment_samples):
                batch.append((mean, block))
                mean.waiting, mean.samples = mean.waiting + 1, mean.samples + len(block)
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
    """Compute a batch and tell the owners; returns the next one, empty."""
    if batch:
        for (mean, _), embedding in zip(batch, embed([b for _, b in batch]), strict=True):
            mean.add(embedding)
    return []
