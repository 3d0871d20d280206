"""Recordings to upload."""

from __future__ import annotations

import io
import uuid

import numpy as np
import soundfile


def wav(seconds: float = 1.0, rate: int = 16000) -> bytes:
    """A recording that no other is equal to."""
    file, size = io.BytesIO(), round(seconds * rate)
    noise = np.random.default_rng(uuid.uuid4().int).normal(0, 0.1, size)
    soundfile.write(file, noise, rate, format="WAV")
    return file.getvalue()


def flac(seconds: float, rate: int = 8000) -> bytes:
    """Silence, which takes next to no room."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(seconds * rate), np.int16), rate, format="FLAC")
    return file.getvalue()
