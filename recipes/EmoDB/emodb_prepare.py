"""EmoDB's file names (Burkhardt et al., 2005) to utterances: ``03a01Fa.wav`` says it all."""

from __future__ import annotations

import re
from pathlib import Path

from camser.data.manifest import Utterance
from camser.data.prepare import CorpusError, CorpusScan

EMOTIONS = {  # the German initials
    "W": "angry",
    "L": "bored",
    "E": "disgusted",
    "A": "fearful",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
MEN = ("03", "10", "11", "12", "15")
WOMEN = ("08", "09", "13", "14", "16")
COUNTS = {
    "emodb": {
        "angry": 127,
        "bored": 81,
        "disgusted": 46,
        "fearful": 69,
        "happy": 71,
        "sad": 62,
        "neutral": 79,
    }
}
NAME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])[a-z]", re.ASCII)


def scan(data_folder: Path) -> CorpusScan:
    """Find every recording.

    Arguments
    ---------
    data_folder : Path
        The folder that holds ``wav``.

    Returns
    -------
    Scan

    Raises
    ------
    CorpusError
        If this is not the right folder.
    """
    wavs = data_folder / "wav"
    if not wavs.is_dir():
        inside = [p.parent for p in sorted(data_folder.glob("*/wav"))]
        near = [data_folder.parent] if data_folder.name == "wav" else inside
        hint = f"; try {near[0]}" if near else ""
        raise CorpusError(f"{wavs} is missing; data_folder must be the folder that holds wav{hint}")
    utterances, problems = [], []
    for path in sorted(wavs.glob("*.wav")):
        match = NAME.fullmatch(path.stem)
        if path.name.startswith("."):
            continue
        if not match or match[1] not in MEN + WOMEN:
            problems.append(f"{path}: not an EmoDB name, such as 03a01Fa.wav")
            continue
        utterances.append(_utterance(path, *match.groups()))
    return CorpusScan(utterances, problems, COUNTS)


def _utterance(path: Path, speaker: str, sentence: str, emotion: str) -> Utterance:
    return Utterance(
        id=f"emodb/{path.stem}",
        corpus="emodb",
        path=f"wav/{path.name}",
        seconds=0.0,
        speaker=f"emodb/{speaker}",
        gender="male" if speaker in MEN else "female",
        style="acted",
        emotion=EMOTIONS[emotion],
        text=sentence,
    )
