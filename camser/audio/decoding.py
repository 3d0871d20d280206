"""What decoders share: their errors, and the warning on a recording that is cut short."""

from __future__ import annotations

from camser.audio.conversion import Warn


class DecodeError(Exception):
    """A recording cannot be decoded; the message is the reason, without the file's name."""


class UnknownFormatError(DecodeError):
    """A decoder does not know the format; nothing was decoded."""


def warn_if_cut(declared: float, present: float, warn: Warn) -> None:
    """Warn if a file declares more seconds than it holds."""
    if declared - present > max(0.05, 0.01 * declared):
        warn(f"declares {declared:.2f} s and holds {present:.2f} s; check that it is complete")
