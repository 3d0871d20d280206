"""Segments to frames, one file a system."""
