"""Encoders: raw segments in, frames out. One file each; the contract is in ``base``."""

from camser.encoders.base import Encoder, FrameSpec

__all__ = ["Encoder", "FrameSpec"]
