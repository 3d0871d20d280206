"""Noise in a corpus's shape: ten speakers in five sessions, four emotions in turn.

Speed does not depend on what is said, only on how long it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile
from scipy.special import ndtri

from camser.audio import SAMPLE_RATE
from camser.data.manifest import Utterance
from camser.data.prepare import CorpusScan

EMOTIONS = ("angry", "sad", "happy", "neutral")
SPEAKERS = [f"Ses0{session}{gender}" for session in range(1, 6) for gender in "FM"]
# IEMOCAP's four classes: 5531 utterances, 6.99 h, the shortest 0.6 s, the longest 34 s (counted in
# the release). The spread is the one at which a log-normal draw of so many reaches these ends.
UTTERANCES, HOURS, SHORTEST, LONGEST, SPREAD = 5531, 6.99, 0.6, 34.0, 0.65


def iemocap_lengths(num: int = UTTERANCES, seed: int = 0) -> np.ndarray:
    """Seconds of ``num`` utterances, of IEMOCAP's mean length and about its distribution."""
    mean = HOURS * 3600 / UTTERANCES
    # Quantiles instead of draws: the same shape at any number.
    points = np.random.default_rng(seed).permutation((np.arange(num) + 0.5) / num)
    drawn = (mean * np.exp(SPREAD * ndtri(points) - SPREAD**2 / 2)).clip(SHORTEST, LONGEST)
    return (drawn * mean / drawn.mean()).clip(SHORTEST, LONGEST)


def write_corpus(folder: Path, lengths: Sequence[float], seed: int = 0) -> Path:
    """Write an utterance of each length, in seconds, as 16-bit mono at 16 kHz.

    Emotion and speaker change with each utterance, so that every speaker has every emotion from
    40 utterances on.
    """
    rng = np.random.default_rng(seed)
    noise = rng.integers(-8000, 8000, round(max(lengths) * SAMPLE_RATE), dtype=np.int16)
    for number, (seconds, path) in enumerate(zip(lengths, _paths(), strict=False)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        own = noise[: max(1, round(seconds * SAMPLE_RATE))] // (1 + number % 7)
        soundfile.write(folder / path, own, SAMPLE_RATE, subtype="PCM_16")
    return folder


def _paths() -> Iterator[str]:
    for number, speaker in enumerate(cycle(SPEAKERS)):
        emotion = EMOTIONS[number // len(SPEAKERS) % len(EMOTIONS)]
        yield f"{speaker}/{number:05d}-{emotion}.wav"


def scan(folder: Path) -> CorpusScan:
    """What a recipe's preparation finds in such a folder."""
    return CorpusScan(
        [_utterance(p.relative_to(folder)) for p in sorted(folder.glob("*/*.wav"))], []
    )


def _utterance(path: Path) -> Utterance:
    number, emotion = path.stem.split("-")
    speaker = path.parent.name
    return Utterance(
        id=f"noise/{number}",
        corpus="noise",
        path=path.as_posix(),
        seconds=0.0,
        speaker=f"noise/{speaker}",
        gender="female" if speaker.endswith("F") else "male",
        session=speaker[:-1],
        dialogue=speaker,
        style="acted",
        emotion=emotion,
        text="",
    )
