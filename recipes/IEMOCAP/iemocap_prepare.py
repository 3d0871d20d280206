"""IEMOCAP's annotation files (Busso et al., 2008) to utterances.

Only the categorical label on each turn's own line of ``EmoEvaluation/<dialogue>.txt`` counts; the
evaluators' lines that follow it are passed over.
"""

from __future__ import annotations

import re
from pathlib import Path

from camser.data.manifest import ManifestError, Utterance, resolve_inside
from camser.data.prepare import CorpusError, CorpusScan
from camser.runtime.safe_io import mismatch, read_json, read_text

EMOTIONS = {
    "ang": "angry",
    "hap": "happy",
    "exc": "excited",
    "sad": "sad",
    "neu": "neutral",
    "fru": "frustrated",
    "sur": "surprised",
    "fea": "fearful",
    "dis": "disgusted",
    "oth": "other",
    "xxx": "undecided",
}
SESSIONS = [f"Session{n}" for n in range(1, 6)]
CLASSES = ("angry", "happy", "sad", "neutral")
COUNTS = {  # of the full release, excited counted as happy: 5531 utterances
    "Session1": dict(zip(CLASSES, (229, 278, 194, 384), strict=True)),
    "Session2": dict(zip(CLASSES, (137, 327, 197, 362), strict=True)),
    "Session3": dict(zip(CLASSES, (240, 286, 305, 320), strict=True)),
    "Session4": dict(zip(CLASSES, (327, 303, 143, 258), strict=True)),
    "Session5": dict(zip(CLASSES, (170, 442, 245, 384), strict=True)),
}
TURN = re.compile(r"\[(\d+\.\d+) - (\d+\.\d+)\]\t(\S+)\t(\S+)\t\[[^\]]*\]\s*$")
LAST = re.compile(r"[FM]\w*")  # of a turn's name: who speaks, and the number
MOST = 2**22  # bytes of a dialogue's annotation; the longest have about fifty thousand
TRANSCRIPT = re.compile(r"(\S+) \[[\d.]+-[\d.]+\]: ?(.*)$")


def scan(data_folder: Path) -> CorpusScan:
    """Find every annotated turn.

    Arguments
    ---------
    data_folder : Path
        The folder that holds Session1 … Session5.

    Returns
    -------
    Scan
        Its expected counts are the published ones, or those of an ``expected_counts.json`` that
        the folder brings (as a synthetic or a reduced copy does).

    Raises
    ------
    CorpusError
        If this is not the right folder.
    """
    _check_level(data_folder)
    utterances, problems = [], []
    for session in SESSIONS:
        annotation = data_folder / session / "dialog" / "EmoEvaluation"
        if not annotation.is_dir():
            problems.append(f"{annotation} is missing")
            continue
        dialogues = {p.stem for p in annotation.glob("*.txt") if not p.name.startswith(".")}
        recorded = {p.name for p in _folders(data_folder / session / "sentences" / "wav")}
        problems += [f"{annotation / d}.txt is missing" for d in sorted(recorded - dialogues)]
        for dialogue in sorted(dialogues):
            found, wrong = _read_dialogue(data_folder, session, dialogue)
            utterances += found
            problems += wrong
    return CorpusScan(utterances, problems, _expected(data_folder), {"excited": "happy"})


def _check_level(folder: Path) -> None:
    if any((folder / session).is_dir() for session in SESSIONS):
        return
    inside = [p.parent for p in sorted(folder.glob("*/Session1"))]
    above = [p for p in folder.parents if (p / "Session1").is_dir()]
    hint = f"; try {(inside or above)[0]}" if inside or above else ""
    raise CorpusError(
        f"{folder} holds none of {', '.join(SESSIONS)}; data_folder must be the folder that holds "
        f"Session1 … Session5{hint}"
    )


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]


def _read_dialogue(
    data_folder: Path, session: str, dialogue: str
) -> tuple[list[Utterance], list[str]]:
    folder = Path(session, "dialog")
    path = data_folder / folder / "EmoEvaluation" / f"{dialogue}.txt"
    try:
        lines = _lines(data_folder, folder / "EmoEvaluation" / path.name)
        texts = _read_texts(data_folder, folder / "transcriptions" / path.name)
    except (ManifestError, OSError, ValueError) as error:
        return [], [f"{path} or its transcription cannot be read: {error}"]
    utterances, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.startswith("["):
            continue
        match = TURN.match(line)
        if not match or match[4] not in EMOTIONS:
            problems.append(f"{path}, line {number}: not a turn with a known emotion: {line!r:.80}")
            continue
        turn, (spoken, _, last) = match[3], match[3].rpartition("_")
        if spoken != dialogue or not LAST.fullmatch(last):
            problems.append(f"{path}, line {number}: {turn!r} is no turn of a speaker here")
            continue
        utterances.append(_utterance(session, dialogue, turn, last[0], match[4], texts))
    if not utterances and not problems:
        problems.append(f"{path} holds no turn")
    return utterances, problems


def _utterance(
    session: str, dialogue: str, turn: str, gender: str, emotion: str, texts: dict[str, str]
) -> Utterance:
    return Utterance(
        id=f"iemocap/{turn}",
        corpus="iemocap",
        path=f"{session}/sentences/wav/{dialogue}/{turn}.wav",
        seconds=0.0,
        # Who wore the markers names the dialogue; who speaks is in the turn's last token.
        speaker=f"iemocap/Ses0{session[-1]}{gender}",
        gender={"F": "female", "M": "male"}[gender],
        session=session,
        dialogue=dialogue,
        style="scripted" if "script" in dialogue else "improvised",
        emotion=EMOTIONS[emotion],
        text=texts.get(turn, ""),
    )


def _read_texts(data_folder: Path, path: Path) -> dict[str, str]:
    if not (data_folder / path).exists():
        return {}
    matches = (TRANSCRIPT.match(line) for line in _lines(data_folder, path))
    return {m[1]: m[2].strip() for m in matches if m}


def _lines(data_folder: Path, path: Path) -> list[str]:
    return read_text(resolve_inside(data_folder, path), MOST, errors="replace").splitlines()


def _expected(data_folder: Path) -> dict[str, dict[str, int]]:
    path = data_folder / "expected_counts.json"
    if not path.exists():
        return COUNTS
    try:
        counts = read_json(resolve_inside(data_folder, path.name))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error
    if mismatch(counts, dict[str, dict[str, int]]):
        raise CorpusError(f"{path} is not JSON of the form {{session: {{emotion: count}}}}")
    return counts
