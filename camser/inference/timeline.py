"""Emotions along a recording: windows, smoothing, and turns with one emotion each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from camser.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from pandas import DataFrame

SMOOTHINGS = ("mean", "median")
WINDOW_SECONDS = 3.0  # of a window by default, where the model's segments are whole utterances


@dataclass(frozen=True)
class Turn:
    """An interval with one emotion: start and end in seconds, and its mean probability."""

    start: float
    end: float
    emotion: str
    confidence: float


class Table(NamedTuple):
    """A row per window, and what each cell of a row is."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def to_pandas(self) -> DataFrame:
        """The same as a data frame.

        Raises
        ------
        ValueError
            If pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise ValueError('to_pandas needs pandas: pip install "camser[tables]"') from error
        return DataFrame(self.rows, columns=list(self.columns))


@dataclass(frozen=True)
class Timeline:
    """Probabilities of each window of a recording.

    Arguments
    ---------
    source : str
        The recording's name.
    labels : tuple of str
        The classes, in order.
    window, hop : float
        Length of a window, and time between the starts of two windows, in seconds.
    seconds : float
        Length of the recording; the last window ends at this time.
    probabilities : array
        [windows, classes]
    speech : array
        [windows], the share of each window that is speech, 0 to 1. A window without speech has
        probabilities, but no emotion.
    warnings : tuple of str
        As of a ``Prediction``.
    """

    source: str
    labels: tuple[str, ...]
    window: float
    hop: float
    seconds: float
    probabilities: np.ndarray
    speech: np.ndarray
    warnings: tuple[str, ...] = ()

    @property
    def starts(self) -> np.ndarray:
        """Start of each window, in seconds: [windows]"""
        return np.arange(len(self.probabilities)) * self.hop

    @property
    def ends(self) -> np.ndarray:
        """End of each window, in seconds: [windows]"""
        return np.minimum(self.starts + self.window, self.seconds)

    @property
    def edges(self) -> np.ndarray:
        """Boundaries in seconds, [windows + 1]: the window with the nearest center decides."""
        inner = self.starts[1:] + (self.window - self.hop) / 2
        return np.concatenate([[0.0], np.minimum(inner, self.seconds), [self.seconds]])

    def smoothed(self, method: str, seconds: float = 5.0) -> Timeline:
        """A new timeline with smoothed probabilities of neighboring windows.

        Arguments
        ---------
        method : str
            "mean", or "median", which preserves sharp edges.
        seconds : float
            Length of the filter; at the ends the first and the last window are repeated.
        """
        from scipy import ndimage

        check_windows(self.window, self.hop, method, seconds)
        size = max(1, round(seconds / self.hop))
        if method == "mean":
            values = ndimage.uniform_filter1d(self.probabilities, size, axis=0, mode="nearest")
        else:
            values = ndimage.median_filter(self.probabilities, (size, 1), mode="nearest")
        totals = values.sum(axis=1, keepdims=True)  # medians do not always sum to 1
        values = np.where(totals > 0, values / np.maximum(totals, 1e-300), self.probabilities)
        return replace(self, probabilities=values)

    def emotions(self, threshold: float = 0.0) -> list[str | None]:
        """The emotion of each window; None without speech, or with less confidence."""
        return [None if i < 0 else self.labels[i] for i in self._classes(threshold)]

    def _classes(self, threshold: float) -> np.ndarray:
        """[windows], indices of ``labels``; -1 where there is no emotion."""
        is_decided = (self.speech > 0) & (self.probabilities.max(axis=1) >= threshold)
        return np.where(is_decided, self.probabilities.argmax(axis=1), -1)

    def turns(self, threshold: float = 0.0) -> list[Turn]:
        """Intervals with one emotion each, without overlap.

        Arguments
        ---------
        threshold : float
            Windows with a lower confidence, or without speech, belong to no turn.
        """
        best = self._classes(threshold)
        starts = np.flatnonzero(np.diff(best, prepend=-2))
        edges, turns = self.edges.tolist(), []
        for first, last in zip(starts, [*starts[1:], len(best)], strict=True):
            if best[first] >= 0:
                confidence = float(self.probabilities[first:last, best[first]].mean())
                emotion = self.labels[best[first]]
                turns.append(Turn(edges[first], edges[last], emotion, confidence))
        return turns

    def table(self, threshold: float = 0.0) -> Table:
        """The windows: source, start, end, emotion or None, probabilities, share of speech.

        Example
        -------
        >>> values = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([1.0, 0.0])
        >>> Timeline("a.wav", ("angry", "sad"), 2.0, 1.0, 3.0, *values).table().rows[1]
        ('a.wav', 1.0, 3.0, None, 0.2, 0.8, 0.0)
        """
        cells = self.starts, self.ends, *self.probabilities.T, self.speech
        start, end, *values = (column.tolist() for column in cells)
        rows = zip(start, end, self.emotions(threshold), *values, strict=True)
        return Table(table_columns(self.labels), [(self.source, *row) for row in rows])

    def to_pandas(self, threshold: float = 0.0) -> DataFrame:
        """``table`` as a data frame of pandas, which must be installed."""
        return self.table(threshold).to_pandas()

    def to_dict(self, threshold: float = 0.0) -> dict[str, Any]:
        """Plain values by name, which ``json.dumps`` takes: the windows, and the turns."""
        names = ("start", "end", "speech", "probabilities")
        columns = (self.starts, self.ends, self.speech, self.probabilities)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return {
            "source": self.source,
            "seconds": self.seconds,
            "window": self.window,
            "hop": self.hop,
            "labels": list(self.labels),
            "windows": [dict(zip(names, row, strict=True)) for row in rows],
            "turns": [asdict(turn) for turn in self.turns(threshold)],
            "warnings": list(self.warnings),
        }


def table_columns(labels: Sequence[str]) -> tuple[str, ...]:
    """The columns of ``Timeline.table``."""
    return ("source", "start", "end", "emotion", *labels, "speech")


def check_windows(window: float, hop: float, smoothing: str | None, seconds: float) -> None:
    """Raise a ValueError unless these options of a timeline are allowed."""
    if not 1 / SAMPLE_RATE <= hop <= window < math.inf:
        raise ValueError(
            f"window is {window} s and hop {hop} s; allowed: a finite window, and a hop above 0, "
            f"up to the window"
        )
    if smoothing is not None and smoothing not in SMOOTHINGS:
        raise ValueError(f"smoothing is {smoothing!r}; allowed: {', '.join(SMOOTHINGS)}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"smoothing_seconds is {seconds}; it must be positive and finite")
