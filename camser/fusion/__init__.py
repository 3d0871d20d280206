"""Fusion maps the frames of the modalities to one vector. ``base`` defines the interface."""

from camser.fusion.base import Fusion

__all__ = ["Fusion"]
