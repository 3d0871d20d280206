"""Fusion strategies: frames of modalities in, one vector out; the contract is in ``base``."""

from camser.fusion.base import Fusion

__all__ = ["Fusion"]
