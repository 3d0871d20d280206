"""Two small corpora on disk, in the layouts that their owners publish them in."""

import itertools

import numpy as np
import soundfile

INITIALS = {"angry": "W", "sad": "T", "happy": "F", "neutral": "N", "bored": "L"}
CODES = {"angry": "05", "sad": "04", "happy": "03", "neutral": "01", "calm": "02"}
SPEAKERS = ("03", "08", "09", "10")
ACTORS = ("01", "02", "03", "04", "05")


def write(path, number):
    """Noise that is the number's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(number).normal(0, 0.1, 6000 + number), 16000)


def write_corpora(root):
    """Two corpora in their own layouts, with an emotion that the other one lacks."""
    number = itertools.count()
    for speaker, initial in itertools.product(SPEAKERS, INITIALS.values()):
        write(root / f"emodb/wav/{speaker}a01{initial}a.wav", next(number))
    for actor, code in itertools.product(ACTORS, CODES.values()):
        name = f"Actor_{actor}/03-01-{code}-01-01-01-{actor}.flac"
        write(root / "ravdess" / name, next(number))
    return {"emodb": root / "emodb", "ravdess": root / "ravdess"}
