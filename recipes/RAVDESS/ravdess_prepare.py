"""RAVDESS's file names (Livingstone and Russo, 2018) to utterances.

``03-01-05-02-01-01-12.wav``: modality, vocal channel, emotion, intensity, statement, repetition
and actor, two digits each. Only audio (03) of speech (01) is taken; even actors are women.
"""

from __future__ import annotations

import re
from pathlib import Path

from camser.data.manifest import Utterance
from camser.data.prepare import CorpusError, CorpusScan

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgusted",
    "08": "surprised",
}
STATEMENTS = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}
# 24 actors say two statements twice at two intensities; neutral has one.
COUNTS = {"ravdess": {e: 96 if e == "neutral" else 192 for e in EMOTIONS.values()}}
NAME = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)", re.ASCII)
SPEECH = ("03", "01")


def scan(data_folder: Path) -> CorpusScan:
    """Find every recording, WAV or FLAC.

    Arguments
    ---------
    data_folder : Path
        The folder that holds Actor_01 … Actor_24.

    Returns
    -------
    Scan

    Raises
    ------
    CorpusError
        If this is not the right folder.
    """
    actors = sorted(p for p in data_folder.glob("Actor_[0-9][0-9]") if p.is_dir())
    if not actors:
        inside = [p.parent for p in sorted(data_folder.glob("*/Actor_01"))]
        near = [data_folder.parent] if data_folder.name.startswith("Actor_") else inside
        hint = f"; try {near[0]}" if near else ""
        raise CorpusError(
            f"{data_folder} holds no Actor_01 … Actor_24; data_folder must be the folder that "
            f"holds them{hint}"
        )
    utterances, problems = [], []
    for path in (p for actor in actors for p in sorted(actor.iterdir())):
        if path.name.startswith(".") or path.suffix.lower() not in (".wav", ".flac"):
            continue
        match = NAME.fullmatch(path.stem)
        if not match or match[7] != path.parent.name[-2:]:
            problems.append(f"{path}: not a RAVDESS name of this actor, e.g. 03-01-05-02-01-01-12")
        elif match.groups()[:2] == SPEECH:
            utterances.append(_utterance(path, match))
    return CorpusScan(utterances, problems, COUNTS)


def _utterance(path: Path, match: re.Match) -> Utterance:
    actor = match[7]
    return Utterance(
        id=f"ravdess/{path.stem}",
        corpus="ravdess",
        path=f"{path.parent.name}/{path.name}",
        seconds=0.0,
        speaker=f"ravdess/{actor}",
        gender="male" if int(actor) % 2 else "female",
        style="acted",
        emotion=EMOTIONS[match[3]],
        text=STATEMENTS[match[5]],
    )
