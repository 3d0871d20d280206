"""One embedding per recording of any length; segments of several recordings share a batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from camser.audio import SAMPLE_RATE, AudioError
from camser.audio.quality import QualityCheck
from camser.inference.recordings import SegmentStream

OnError = Callable[[str, AudioError], None]
Embed = Callable[[list[np.ndarray]], Sequence[Any]]


@dataclass
class EmbeddedRecording:
    """A recording's name, what it has of its segments, its check, and its samples at 16 kHz."""

    source: str
    rule: str = "mean"
    check: QualityCheck | None = None
    samples: int = 0
    num_segments: int = 0
    waiting: int = 0  # segments that are not embedded yet
    reduced: Any = None

    def add(self, embedding: Any) -> None:
        """Add a segment's."""
        if self.reduced is None:
            self.reduced = embedding
        elif self.rule == "max":
            self.reduced = embedding.clip(min=self.reduced)
        else:
            self.reduced = self.reduced + embedding
        self.waiting -= 1

    @property
    def embedding(self) -> Any:
        """[embedding_size], of the type of its segments' embeddings."""
        return self.reduced if self.rule == "max" else self.reduced / self.num_segments

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
        Maps segments to their embeddings, [embedding_size] each, arrays or tensors in double
        precision: a day has 28800 segments. The last segment of a recording is shorter.
    batch_size : int
        Number of segments in a batch.
    on_error : callable, optional
        Called for a recording that cannot be read, which is skipped; by default, raise.
    overlap : int
        Samples that a segment shares with the one before it.
    rule : str
        What a recording has of its segments' embeddings: their "mean", or "max", the largest of
        each value. It is written for arrays and tensors alike, as ``over_segments`` is for batches.
    """
    batch: list[tuple[EmbeddedRecording, np.ndarray]] = []
    queue: deque[EmbeddedRecording] = deque()
    for name, segments, check in recordings:
        embedded = EmbeddedRecording(name, rule, check)
        try:
            for segment in segments:
                batch.append((embedded, segment))
                embedded.num_segments += 1
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
    embeddings = embed([segment for _, segment in batch])
    for (recording, _), embedding in zip(batch, embeddings, strict=True):
        recording.add(embedding)
    batch.clear()
