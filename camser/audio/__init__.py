"""Any recording -> float32, mono, 16 kHz.

``reader`` chooses a decoder by the first bytes: ``libsndfile`` for uncompressed formats (``wav``
finds the samples where sizes are wrong), ``ffmpeg`` for all others. ``conversion`` averages the
channels and resamples. ``quality`` looks for what is implausible, such as a recording without
``speech``.
"""

from camser.audio.conversion import SAMPLE_RATE, AudioError
from camser.audio.reader import decode, iter_array_chunks, iter_chunks, load

__all__ = ["SAMPLE_RATE", "AudioError", "decode", "iter_array_chunks", "iter_chunks", "load"]
