"""Encoders map raw segments to frames. One file each; ``base`` defines the interface."""

from camser.encoders.base import Encoder, FrameSpec

__all__ = ["Encoder", "FrameSpec"]
