"""Recordings that the demo refuses, each with what it says of it."""

import numpy as np
import soundfile

BROKEN = {
    "text": "is no recording in a known format",
    "empty": "is empty; it has 0 bytes",
    "nan": "NaN",
    "page": "is a web page",
    "slow": "4000 Hz",
    "long": "is too long; allowed: 20 s",
}


def broken(kind, folder):
    path = folder / f"{kind}.wav"
    wave = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    if kind == "text":
        path.write_text("this is no sound\n" * 100)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "nan":
        wave[9000] = np.nan
        soundfile.write(path, wave, 16000, subtype="FLOAT")
    elif kind == "page":
        path.write_text("<!DOCTYPE html><html>", encoding="utf-8")
    elif kind == "slow":
        soundfile.write(path, wave, 4000)
    elif kind == "long":  # and small: the length is checked, not the size
        path = path.with_suffix(".flac")
        soundfile.write(path, np.zeros(16000 * 21), 16000)
    return path
