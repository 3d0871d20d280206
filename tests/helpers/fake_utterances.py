"""Rows of corpora that nobody recorded: no sessions, no dialogues, and as few speakers as asked."""

import random

from camser.data.manifest import Utterance

EMOTIONS = ("angry", "happy", "sad", "neutral")


def utterance(name, speaker, gender, emotion, **fields):
    corpus = speaker.split("/")[0]
    return Utterance(
        id=f"{corpus}/{name}",
        corpus=corpus,
        path=f"{name}.wav",
        seconds=3.0,
        speaker=speaker,
        gender=gender,
        emotion=emotion,
        **fields,
    )


def emodb(num_speakers=10, each=8):
    """A corpus without sessions and dialogues."""
    return [
        utterance(f"{s:02d}a{i}", f"emodb/{s:02d}", ("male", "female")[s % 2], EMOTIONS[i % 4])
        for s in range(num_speakers)
        for i in range(each)
    ]


def ravdess(women=12, men=12, corpus="ravdess"):
    genders = ["female"] * women + ["male"] * men
    random.Random(0).shuffle(genders)
    return [
        utterance(f"{s:02d}-{i}", f"{corpus}/Actor_{s:02d}", gender, emotion)
        for s, gender in enumerate(genders)
        for i, emotion in enumerate(EMOTIONS)
    ]
