"""Recordings as phones, browsers and broken programs leave them, with what was encoded."""

import io
import struct
from fractions import Fraction

import av
import numpy as np

RATE = 16000


def speech_like(seconds=2.0, rate=RATE, seed=0):
    """[samples], int16: a voice's harmonics in syllables, so that a shift shows."""
    time = np.arange(round(seconds * rate)) / rate
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time)) / rate
    voice = sum(np.sin(k * pitch) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 3.3 * time) + 0.3, 0, 1)
    hiss = np.random.default_rng(seed).normal(0, 0.003, len(time))
    return (12000 * (0.3 * voice * syllables + hiss)).astype(np.int16)


def encode(samples, codec, form, rate=RATE, channels=1, bit_rate=None, options=None):
    """A file's bytes: int16 samples in a codec and a container, by FFmpeg."""
    file = io.BytesIO()
    with av.open(file, "w", format=form, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = {1: "mono", 2: "stereo"}[channels]
        if bit_rate:
            stream.bit_rate = bit_rate
        stream.format = stream.codec_context.codec.audio_formats[0]
        frame = av.AudioFrame.from_ndarray(
            np.repeat(samples, channels)[None], format="s16", layout=stream.layout.name
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(stream.format, stream.layout, rate, stream.frame_size or 1024)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return file.getvalue()


def wav(samples, declared=None, after=b"", riff=None, order="<"):
    """A WAV's bytes, with a declared size of its samples, and bytes after them."""
    data = samples.astype(f"{order}i2").tobytes()
    declared = len(data) if declared is None else declared
    coding = struct.pack(f"{order}4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    content = coding + struct.pack(f"{order}4sI", b"data", declared) + data + after
    riff = 4 + len(content) if riff is None else riff
    return (
        struct.pack(f"{order}4sI4s", b"RIFF" if order == "<" else b"RIFX", riff, b"WAVE") + content
    )


def unknown_length(flac, declared=0):
    """A FLAC whose header declares this number of samples; a program that pipes it writes 0."""
    content = bytearray(flac)
    content[21] = content[21] & 0xF0 | declared >> 32
    content[22:26] = struct.pack(">I", declared & 0xFFFFFFFF)
    return bytes(content)
