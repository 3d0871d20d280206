"""Sounds for the tests of front ends."""

import numpy as np


def voice(num_samples, pitch=180.0, vibrato=20.0):
    """Harmonics of a pitch in Hz and breath, at a level that rises and falls; 16 kHz, float32."""
    time = np.arange(num_samples) / 16000
    phase = 2 * np.pi * np.cumsum(pitch + vibrato * np.sin(3 * time)) / 16000
    tones = sum(np.cos(k * phase) / k for k in range(1, 20))
    noise = np.random.default_rng(0).normal(size=num_samples)
    return (0.05 * (tones + 0.02 * noise) * (1.2 + np.sin(9 * time))).astype(np.float32)
