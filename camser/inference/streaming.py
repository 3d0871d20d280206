"""One embedding per recording of any length; segments of several recordings share a batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from camser.audio import SAMPLE_RATE, AudioError
from camser.audio.quality import QualityCheck
from camser.inference.recordings import SegmentStream
from camser.over_segments import RULES, MeanOverSegments

OnError = Callable[[str, AudioError], None]
Embed = Callable[[list[np.ndarray]], Tensor]


@dataclass
class EmbeddedRecording:
    """A recording's name, its segments' mean, its check, and its number of samples at 16 kHz."""

    source: str
    mean: MeanOverSegments
    check: QualityCheck | None = None
    samples: int = 0
    waiting: int = 0  # segments that are not embedded yet

    @property
    def embedding(self) -> Tensor:
        """[embedding_size]"""
        return self.mean.values()[0].float()

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.samples / SAMPLE_RATE

    @property
    def warnings(self) -> tuple[str, ...]:
        """What its check found, once it was read."""
        return self.check.warnings if self.check else ()


def stream_embeddings(
    recordings: Iterable[SegmentStream],
    embed: Embed,
    batch_size: int,
    on_error: OnError | None = None,
    overlap: int = 0,
    rule: str = "mean",
) -> Iterator[EmbeddedRecording]:
    """Yield the embeddings of recordings, in their order, each when it is ready.

    Arguments
    ---------
    recordings : iterable
        The name and the segments of each, see ``iter_segments``; an error of a segment is raised
        when it is read.
    embed : callable
        Maps segments to [segments, embedding_size]; the last segment of a recording is shorter.
    batch_size : int
        Number of segments in a batch.
    on_error : callable, optional
        Called for a recording that cannot be read, which is skipped; by default, raise.
    overlap : int
        Samples that a segment shares with the one before it.
    rule : str
        A key of ``RULES``: what a recording has of its segments' embeddings.
    """
    batch: list[tuple[EmbeddedRecording, np.ndarray]] = []
    queue: deque[EmbeddedRecording] = deque()
    for name, segments, check in recordings:
        embedded = EmbeddedRecording(name, RULES[rule](1), check)
        try:
            for segment in segments:
                batch.append((embedded, segment))
                embedded.waiting += 1
                # The first sample lies before the segment.
                embedded.samples += len(segment) - 1 - (overlap if embedded.samples else 0)
                if len(batch) == batch_size:
                    _run(embed, batch)
        except AudioError as error:
            if on_error is None:
                raise
            on_error(embedded.source, error)
            batch = [item for item in batch if item[0] is not embedded]
            continue
        queue.append(embedded)
        while queue and not queue[0].waiting:
            yield queue.popleft()
    if batch:
        _run(embed, batch)
    yield from queue


def _run(embed: Embed, batch: list[tuple[EmbeddedRecording, np.ndarray]]) -> None:
    """Add the embeddings of a batch to their recordings, and empty it."""
    embeddings = embed([segment for _, segment in batch]).double()  # a day has 28800 segments
    owner = torch.zeros(1, dtype=torch.long, device=embeddings.device)
    for (recording, _), embedding in zip(batch, embeddings.split(1), strict=True):
        recording.mean.add(embedding, owner)
        recording.waiting -= 1
    batch.clear()
