"""Cut a stream of samples into windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

MAX_SEGMENT_SECONDS = 30.0  # of segments that are whole utterances; Whisper takes no longer ones


def iter_windows(chunks: Iterable[np.ndarray], size: int, hop: int) -> Iterator[np.ndarray]:
    """Cut a stream of samples into windows; every sample is used, and the last may be shorter.

    Arguments
    ---------
    chunks : iterable of arrays
        [samples] each, of any lengths.
    size, hop : int
        Samples of a window, and between the starts of two, at most ``size``. With equal ones,
        windows do not overlap.

    Raises
    ------
    ValueError
        If ``hop`` is not in 1 … ``size``; when the first window is asked for.

    Example
    -------
    >>> stream = [np.arange(0, 5), np.arange(5, 9)]
    >>> [window.tolist() for window in iter_windows(stream, 4, 2)]
    [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8]]
    """
    if not 1 <= hop <= size:
        raise ValueError(f"windows of {size} samples, every {hop}; allowed: hops of 1 to the size")
    buffer, num_covered = np.zeros(0, np.float32), 0  # covered: in an earlier window too
    for chunk in chunks:
        buffer = np.concatenate([buffer, chunk]) if len(buffer) else chunk
        while len(buffer) >= size:
            yield buffer[:size]
            buffer, num_covered = buffer[hop:], size - hop
    if len(buffer) > num_covered:
        yield buffer
