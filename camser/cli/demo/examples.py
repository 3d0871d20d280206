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


def write_clips(folder: str | Path, seed: int = 0) -> dict[str, Path]:
    """Write the examples as WAV files.

    Arguments
    ---------
    folder : str or Path
        The output folder; created if needed.
    seed : int
        The same seed gives the same bytes.

    Returns
    -------
    dict of str to Path
        The files by their titles.
    """
    import soundfile

    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = {}
    for number, (title, (pitch, scale, utterances)) in enumerate(VOICES.items()):
        rng = np.random.default_rng([seed, number])
        voice = make_voice(rng, pitch, scale)
        spoken = [
            speak(
                rng,
                voice,
                EMOTIONS["neu"].prosody,
                EMOTIONS[emotion].prosody,
                round(seconds * SAMPLE_RATE),
            )
            for emotion, seconds in utterances
        ]
        paths[title] = Path(folder) / f"{title.lower().replace(' ', '_')}.wav"
        soundfile.write(paths[title], np.concatenate(spoken), SAMPLE_RATE, subtype="PCM_16")
    return paths
