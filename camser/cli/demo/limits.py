"""Limits of requests from untrusted clients, and how a request is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass

MIN_HOP = 0.1  # seconds between two decisions of a timeline
MAX_WINDOW = 30.0  # seconds; all segments of a window are in memory at once
MAX_SEGMENTS = 20_000  # of one timeline; an hour with one decision per second has 3600
MAX_VALUES = 700_000_000  # samples of all channels; an hour of stereo at 96 kHz has fewer
MAX_CONNECTIONS = 200  # at the same time; a browser tab opens two or three
MAX_JSON = 1_000_000  # bytes; a request contains the path of a file, not the file
KEPT_UPLOADS = 20  # of the maximum size, stored at the same time


class RequestRefused(ValueError):
    """A request is refused; its sender gets the message."""


@dataclass(frozen=True)
class Limits:
    """Limits of requests from untrusted clients.

    Arguments
    ---------
    megabytes : float
        Maximum size of an upload.
    seconds : float
        Maximum length of a recording.
    waiting : int
        Requests that may wait for the model, which computes one at a time. More are refused.
    kept_seconds : int
        How long an upload is stored, in seconds.

    Raises
    ------
    ValueError
        If one is not positive and finite.
    """

    megabytes: float = 50
    seconds: float = 3600
    waiting: int = 20
    kept_seconds: int = 3600

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be positive and finite")

    @property
    def bytes(self) -> int:
        """Maximum size of an upload."""
        return round(self.megabytes * 1e6)
