"""Limits of requests from untrusted clients, and how a request is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass

MIN_HOP = 0.1  # seconds; people cannot recognize emotions faster either
MAX_WINDOW = 30.0  # seconds; the segments of one window are computed together
MAX_SEGMENTS = 20_000  # of one timeline: an hour by seconds is 3600
MAX_VALUES = 700_000_000  # samples of all channels: an hour of 96-kHz stereo
MAX_CONNECTIONS = 200  # at once; a browser's tab has two or three
MAX_JSON = 1_000_000  # bytes; a request contains the path of a file, not the file
KEPT_UPLOADS = 20  # stored together, if all have the maximum size


class RequestRefused(ValueError):
    """A request that cannot be answered; the message is for its sender."""


@dataclass(frozen=True)
class Limits:
    """Limits of requests from untrusted clients.

    Arguments
    ---------
    megabytes : float
        Size of an upload.
    seconds : float
        Length of a recording.
    waiting : int
        Requests that wait for the model, which computes one at a time. Others are refused.
    kept_seconds : int
        How long an upload is stored.

    Raises
    ------
    ValueError
        If one is not positive.
    """

    megabytes: float = 50
    seconds: float = 3600
    waiting: int = 20
    kept_seconds: int = 3600

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be positive")

    @property
    def bytes(self) -> int:
        """Size of an upload."""
        return round(self.megabytes * 1e6)
