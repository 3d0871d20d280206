"""What is implausible about a recording: silence, no speech, clipping, values beyond full scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from camser.audio.conversion import SAMPLE_RATE, AudioError
from camser.audio.speech import SpeechDetector

MIN_SECONDS = 0.1  # of speech: a short syllable
QUIET = 1e-3  # of full scale, the loudest sample: 60 dB below
FULL_SCALE = 0.99  # samples from here on count as clipped
CLIPPED = 2e-3  # share of the samples; of recordings that are not clipped, below 0.0003
MAX_PEAK = 2.0  # resampling and lossy codecs go beyond 1, but not by 6 dB
Finding = tuple[str, str]  # its kind, and a message


class QualityCheck:
    """Looks at the samples of a recording while it is read, in bounded memory.

    Arguments
    ---------
    everywhere : bool
        Whether to look for speech in all of it, and not only up to the first speech.
    require_speech : bool
        Whether a recording without speech is an error.

    Attributes
    ----------
    speech : SpeechDetector
        Where it holds speech.

    Example
    -------
    >>> check = QualityCheck()
    >>> check.add(np.zeros(SAMPLE_RATE, np.float32))
    >>> check.findings()
    [('silent', 'is silent: every sample is 0')]
    """

    def __init__(self, everywhere: bool = False, require_speech: bool = False) -> None:
        self.require_speech = require_speech
        self.speech = SpeechDetector(to_first=not everywhere)
        self._of_reader: list[Finding] = []
        self._samples = self._clipped = 0
        self._peak = 0.0

    def warn(self, message: str) -> None:
        """Add a warning of the reader, see ``audio.load``."""
        self._of_reader.append(("reading", message))

    def add(self, samples: np.ndarray) -> None:
        """Continue with [samples], float32 at 16 kHz."""
        level = np.abs(samples)
        self._samples += len(samples)
        self._peak = max(self._peak, float(level.max(initial=0)))
        self._clipped += np.count_nonzero(level >= FULL_SCALE)
        self.speech.add(samples)

    def watch(self, chunks: Iterable[np.ndarray], name: str) -> Iterator[np.ndarray]:
        """Pass the chunks of a recording on, and look at each.

        Raises
        ------
        AudioError
            At the end, if speech is required and there is none; ``name`` is the recording's.
        """
        for chunk in chunks:
            self.add(chunk)
            yield chunk
        if self.require_speech and (reason := self.no_speech):
            raise AudioError(f"{name}: {reason}")

    def findings(self) -> list[Finding]:
        """What is odd about the recording, once all of it was added; empty if nothing is."""
        return [*self._of_reader, *self._of_speech(), *self._of_level()]

    @property
    def peak(self) -> float:
        """The largest absolute sample."""
        return self._peak

    @property
    def clipped_share(self) -> float:
        """The share of samples at full scale."""
        return float(self._clipped / max(1, self._samples))

    @property
    def warnings(self) -> tuple[str, ...]:
        """The messages of ``findings``."""
        return tuple(message for _, message in self.findings())

    @property
    def no_speech(self) -> str:
        """The reason why the recording holds no speech; empty if it holds some."""
        return next((message for _, message in self._of_speech()), "")

    def _of_speech(self) -> Iterator[Finding]:
        self.speech.finish()
        seconds = self._samples / SAMPLE_RATE
        if seconds < MIN_SECONDS:
            yield "near-empty", f"lasts {1000 * seconds:.3g} ms, too short for speech"
        elif not self._peak:
            yield "silent", "is silent: every sample is 0"
        elif not self.speech.found:
            yield "no speech", "holds no speech, as far as a speech detector can tell"

    def _of_level(self) -> Iterator[Finding]:
        if self._peak > MAX_PEAK:
            yield (
                "out of range",
                f"reaches {self._peak:.5g}, but samples are floats in [-1, 1]; divide 16-bit ones "
                f"by 32768",
            )
        elif self.clipped_share > CLIPPED:
            share = f"{self.clipped_share:.1%} of its samples are at full scale"
            yield "clipped", f"is clipped: {share}; record it less loud"
        elif 0 < self._peak < QUIET:
            below = f"{-20 * math.log10(self._peak):.0f} dB below full scale"
            yield "quiet", f"is nearly silent: its loudest sample is {below}"
