"""Example recordings: synthetic voices, generated again at each start."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from camser.audio import SAMPLE_RATE
from camser.data.synthetic import EMOTIONS
from camser.data.voices import make_voice, speak

# Title: the speaker's pitch (Hz) and formant scale, and what they speak: emotion, seconds.
VOICES = {
    "Angry": (115.0, 1.0, [("ang", 4.0)]),
    "Sad": (205.0, 1.15, [("sad", 5.0)]),
    "Changing": (205.0, 1.15, [("neu", 6.0), ("exc", 6.0)]),
}


def write_clips(folder: Path) -> dict[str, Path]:
    """Write the examples as WAV files, each time the same; returns the files by their titles."""
    import soundfile

    folder.mkdir(exist_ok=True)
    paths = {}
    for number, (title, (pitch, scale, utterances)) in enumerate(VOICES.items()):
        rng = np.random.default_rng([0, number])
        voice = make_voice(rng, pitch, scale)
        neutral = EMOTIONS["neu"].prosody
        spoken = [
            speak(rng, voice, neutral, EMOTIONS[emotion].prosody, round(seconds * SAMPLE_RATE))
            for emotion, seconds in utterances
        ]
        paths[title] = folder / f"{title.lower()}.wav"
        soundfile.write(paths[title], np.concatenate(spoken), SAMPLE_RATE, subtype="PCM_16")
    return paths
