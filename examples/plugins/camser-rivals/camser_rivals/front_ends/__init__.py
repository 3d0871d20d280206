"""Segments to frames of features; nothing is trained."""
