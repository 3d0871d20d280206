"""A seeded synthetic corpus in IEMOCAP's layout, for demos and tests without the real corpus.

The layout is the release's, oddities included: evaluators' lines, unnamed lines in the
transcriptions, an unrated turn, macOS files. The voices follow the source-filter model (Fant,
1960). Their prosody changes with the emotion in the direction that the literature reports (e.g.
Scherer, 2003), with overlap. Scores on them show that a pipeline works, nothing about real speech.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from camser.audio import SAMPLE_RATE
from camser.data.voices import make_voice, speak
from camser.runtime.files import atomic_folder

CLASSES = {"angry": ("ang",), "happy": ("hap", "exc"), "sad": ("sad",), "neutral": ("neu",)}
UNUSED = ("fru", "sur", "fea", "dis", "oth", "xxx")  # not in four-class recipes


class _Emotion(NamedTuple):
    word: str  # the evaluators' name for it
    share: float  # of the turns; the four classes have the real corpus's proportions
    attributes: tuple  # valence, activation, dominance, 1 to 5
    prosody: tuple  # pitch, its span (semitones), syllables/s, level (dBFS), tilt (dB/kHz)


EMOTIONS = {
    "ang": _Emotion("Anger", 0.16, (1.8, 3.8, 4.0), (4.0, 4.0, 5.0, -26.0, 4.0)),
    "hap": _Emotion("Happiness", 0.08, (4.0, 3.1, 3.1), (3.5, 4.5, 4.6, -30.5, 6.0)),
    "exc": _Emotion("Excited", 0.15, (4.1, 3.7, 3.4), (5.5, 5.5, 5.2, -29.0, 5.5)),
    "sad": _Emotion("Sadness", 0.16, (2.2, 2.4, 2.8), (-1.5, 1.2, 3.0, -36.0, 9.0)),
    "neu": _Emotion("Neutral", 0.25, (3.0, 2.6, 2.9), (0.0, 2.2, 4.0, -32.0, 6.5)),
    "fru": _Emotion("Frustration", 0.08, (2.3, 3.1, 3.4), (2.0, 3.0, 4.4, -29.0, 5.5)),
    "sur": _Emotion("Surprise", 0.015, (3.0, 3.3, 2.9), (6.0, 5.5, 4.4, -29.0, 5.5)),
    "fea": _Emotion("Fear", 0.015, (2.3, 3.1, 2.5), (4.0, 2.2, 5.0, -33.0, 7.0)),
    "dis": _Emotion("Disgust", 0.015, (1.9, 2.9, 3.1), (0.0, 2.5, 3.4, -30.0, 5.5)),
    "oth": _Emotion("Other", 0.015, (2.7, 3.0, 3.0), (1.0, 2.5, 4.0, -31.0, 6.5)),
    "xxx": _Emotion("", 0.06, (2.9, 3.0, 3.0), (1.5, 3.0, 4.2, -31.0, 6.0)),
}
PHRASES = (
    ("I", "you", "we", "they", "my brother", "nobody", "that man", "your mother"),
    ("told", "never saw", "remember", "waited for", "can't believe", "lost", "asked about"),
    ("the letter", "her", "this line", "the whole thing", "it again", "our house", "him"),
)
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \x00\x02\x00\x00\xb0\xfe\xff"


@dataclass
class _Turn:
    name: str
    gender: str
    text: str
    seconds: float
    emotion: str = ""  # empty: unrated


def synthesize_corpus(
    folder: str | Path,
    dialogues_per_session: int = 4,
    turns_per_dialogue: int = 12,
    seed: int = 0,
    mean_seconds: float = 3.0,
) -> dict[str, dict[str, int]]:
    """Write the corpus; the folder is created complete or not at all.

    Arguments
    ---------
    folder : str or Path
        The output folder; it must not exist, or be empty.
    dialogues_per_session : int
        At least 2; half improvised, half scripted.
    turns_per_dialogue : int
        At least 8, so that each speaker has a turn of each of the four classes.
    seed : int
        The same seed and sizes give the same bytes.
    mean_seconds : float
        Approximate mean length of a turn, 0.5 to 6. One turn lasts 0.4 s; from 1.5 on, another
        lasts 11.8 s.

    Returns
    -------
    dict
        Utterances per session and class, ``{"Session1": {"angry": 8, …}, …}``, as in the
        folder's ``expected_counts.json``.

    Raises
    ------
    FileExistsError
        If ``folder`` is a file or is not empty.
    ValueError
        If a size is out of its range.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     counts = synthesize_corpus(Path(parent, "corpus"), 2, 8, mean_seconds=0.5)
    >>> sorted(counts["Session1"])
    ['angry', 'happy', 'neutral', 'sad']
    """
    for name, value, low, high in (
        ("dialogues_per_session", dialogues_per_session, 2, 99),
        ("turns_per_dialogue", turns_per_dialogue, 8, 999),
        ("mean_seconds", mean_seconds, 0.5, 6),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}; allowed: {low} to {high}")
    folder = Path(folder).resolve()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileExistsError(f"{folder} is not an empty folder; delete it or name a new folder")
    plan = _plan(dialogues_per_session, turns_per_dialogue, seed, mean_seconds)
    counts = {session: dict.fromkeys(CLASSES, 0) for session in plan}
    with atomic_folder(folder, replace=True) as root:
        for number, (session, dialogues) in enumerate(plan.items(), start=1):
            rng = np.random.default_rng([seed, number, 2000])
            voices = {"F": make_voice(rng, 205.0, 1.15), "M": make_voice(rng, 115.0, 1.0)}
            for dialogue, turns in dialogues.items():
                _write_dialogue(root / session, dialogue, turns, voices, rng)
                for label, emotions in CLASSES.items():
                    counts[session][label] += sum(turn.emotion in emotions for turn in turns)
            (root / session / "sentences/wav/.DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1\xff")
        _write_text(root / "expected_counts.json", json.dumps(counts, indent=2) + "\n")
    return counts


def _plan(
    num_dialogues: int, num_turns: int, seed: int, mean_seconds: float
) -> dict[str, dict[str, list[_Turn]]]:
    """Plan the turns by session and dialogue: speaker, text, duration and emotion."""
    plan: dict[str, dict[str, list[_Turn]]] = {}
    for session in range(1, 6):
        dialogues = plan[f"Session{session}"] = {}
        num_improvised = (num_dialogues + 1) // 2
        for i in range(num_improvised):
            name = f"Ses0{session}{'FM'[i % 2]}_impro{i + 1:02d}"
            rng = np.random.default_rng([seed, session, i])
            dialogues[name] = list(_lines(rng, name, num_turns, mean_seconds))
        for i in range(num_dialogues - num_improvised):
            suffix = "b" if (session, i) == (5, 0) else ""  # as Ses05M_script01_1b in the release
            name = f"Ses0{session}{'MF'[i % 2]}_script{i // 3 + 1:02d}_{i % 3 + 1}{suffix}"
            rng = np.random.default_rng([seed, 0, i])  # all sessions have the same scripts
            dialogues[name] = list(_lines(rng, name, num_turns, mean_seconds))
        rng = np.random.default_rng([seed, session, 1000])
        for speaker, gender in enumerate("FM", start=2 * session):
            own = [turn for turns in dialogues.values() for turn in turns if turn.gender == gender]
            emotions = ["ang", "sad", "neu", rng.choice(["hap", "exc"]), UNUSED[speaker % 6]]
            # Systematic sampling: the shares are as exact as the number of turns allows.
            num_more = len(own) - len(emotions)
            points = (np.arange(num_more) + rng.random()) / num_more
            bounds = np.cumsum([emotion.share for emotion in EMOTIONS.values()])
            emotions += [list(EMOTIONS)[i] for i in np.searchsorted(bounds[:-1], points)]
            for turn, emotion in zip(own, rng.permutation(emotions).tolist(), strict=True):
                tempo = (EMOTIONS[emotion].prosody[2] / EMOTIONS["neu"].prosody[2]) ** 0.5
                seconds = turn.seconds / tempo * rng.lognormal(0, 0.1)
                turn.emotion, turn.seconds = emotion, min(max(seconds, 0.45), 11.5)
    all_turns = [turn for ds in plan.values() for turns in ds.values() for turn in turns]
    used = sorted((t for t in all_turns if t.emotion not in UNUSED), key=lambda turn: turn.seconds)
    used[0].seconds = 0.4
    if mean_seconds >= 1.5:
        used[-1].seconds = 11.8
    name, turns = list(plan["Session2"].items())[-1]
    turns.append(_Turn(f"{name}_MXX0", "M", "[LAUGHTER]", 1.0))
    return plan


def _lines(rng: np.random.Generator, name: str, num: int, mean_seconds: float) -> Iterator[_Turn]:
    spoken = {"F": 0, "M": 0}
    for gender in rng.permutation(list(("FM" * num)[:num])).tolist():
        seconds = mean_seconds * rng.lognormal(-0.125, 0.5)
        words = " ".join(rng.choice(phrases) for _ in range(12) for phrases in PHRASES).split()
        text = " ".join(words[: max(1, round(2.5 * seconds))])
        turn = f"{name}_{gender}{spoken[gender]:03d}"
        yield _Turn(turn, gender, f"{text[0].upper()}{text[1:]}.", seconds)
        spoken[gender] += 1


def _write_dialogue(
    session: Path, name: str, turns: list[_Turn], voices: dict, rng: np.random.Generator
) -> None:
    import soundfile

    wavs, labels = session / "sentences/wav" / name, session / "dialog/EmoEvaluation"
    wavs.mkdir(parents=True)
    transcript = "M: Yeah.\n"  # unnamed, as in the release
    ratings = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    start = 6.2901
    for turn in turns:
        num_samples = round(turn.seconds * SAMPLE_RATE)
        prosody = EMOTIONS[turn.emotion or "xxx"].prosody
        neutral = EMOTIONS["neu"].prosody
        speech = speak(rng, voices[turn.gender], neutral, prosody, num_samples)
        soundfile.write(wavs / f"{turn.name}.wav", speech, SAMPLE_RATE, subtype="PCM_16")
        end = start + num_samples / SAMPLE_RATE
        transcript += f"{turn.name} [{start:08.4f}-{end:08.4f}]: {turn.text}\n"
        if turn.emotion:
            ratings += _ratings(rng, turn, f"[{start:.4f} - {end:.4f}]")
        start = end + rng.uniform(0.2, 1.5)
    _write_text(session / f"dialog/transcriptions/{name}.txt", transcript)
    _write_text(labels / f"{name}.txt", ratings)
    for mac_file in (labels / f"._{name}.txt", wavs / f"._{turns[0].name}.wav"):
        mac_file.write_bytes(APPLE_DOUBLE)


def _ratings(rng: np.random.Generator, turn: _Turn, times: str) -> str:
    """The evaluators' ratings of a turn: their summary, then a line each."""
    emotion, own = EMOTIONS[turn.emotion], f"{turn.gender}1"
    words = rng.permutation([other.word for other in EMOTIONS.values() if other.word])[:4]
    if emotion.word:  # xxx has none: no two evaluators agree
        words[[0, 1, 3]] = emotion.word
    rated = rng.normal(emotion.attributes, 0.6, (3, 3)).round().clip(1, 5).astype(int)
    mean = ", ".join(f"{value:.4f}" for value in rated[:2].mean(axis=0))  # without the speaker's
    summary = f"{times}\t{turn.name}\t{turn.emotion}\t[{mean}]\n"
    for rater, word in zip(("E2", "E3", "E4", own), words, strict=True):
        summary += f"C-{rater}:\t{word};\t({'curious' if rater == own else ''})\n"
    for rater, (val, act, dom) in zip(("E3", "E4", own), rated, strict=True):
        summary += f"A-{rater}:\tval {val}; act {act}; dom  {dom};\t()\n"
    return summary + "\n"


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
