"""Frames to one vector or to scores of the classes."""
