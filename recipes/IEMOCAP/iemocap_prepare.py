"""IEMOCAP's annotation files (Busso et al., 2008) to utterances.

Only the categorical label on each turn's own line of ``EmoEvaluation/<dialogue>.txt`` counts; the
evaluators' lines that follow it are passed over.
"""

from __future__ import annotations

import re
from pathlib import Path

from camser.data.corpus_folder import CorpusFolder, folder_hint
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
DIALOGUE = re.compile(r"Ses0[1-5][FM]_(?:impro\d\d|script\d\d_\d[ab]?)", re.ASCII | re.IGNORECASE)
TURN = re.compile(r"\[(\d+\.\d+) - (\d+\.\d+)\]\t(\S+)\t(\S+)\t\[[^\]]*\]\s*$")
LAST = re.compile(r"[FM]\w*")  # of a turn's name: who speaks, and the number
UNRATED = re.compile(r"_[fm]xx\d+$")
MOST = 2**22  # bytes of a dialogue's annotation; the longest have about fifty thousand
TRANSCRIPT = re.compile(r"(\S+) \[[\d.]+-[\d.]+\]: ?(.*)$")


def scan(data_folder: Path) -> CorpusScan:
    """Find every annotated turn; the case of names does not matter.

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
    folder = CorpusFolder(data_folder)
    if not any(map(folder.find, SESSIONS)):
        hint = folder_hint(data_folder, lambda near: near.find("Session1"))
        raise CorpusError(
            f"{data_folder} holds none of {', '.join(SESSIONS)}; data_folder must be the folder "
            f"that holds Session1 … Session5{hint}"
        )
    found = CorpusScan([], [], _expected(data_folder), {"excited": "happy"}, [])
    for session in SESSIONS:
        _read_session(folder, session, found)
    found.problems.extend(folder.problems)
    return found


def _read_session(folder: CorpusFolder, session: str, found: CorpusScan) -> None:
    annotation, wavs, texts = (
        folder.find(f"{session}/{path}") or f"{session}/{path}"
        for path in ("dialog/EmoEvaluation", "sentences/wav", "dialog/transcriptions")
    )
    files = [name for name in folder.entries(annotation) if name.lower().endswith(".txt")]
    dialogues = [name[:-4] for name in files if DIALOGUE.fullmatch(name[:-4])]
    if not dialogues and not folder.is_unreadable(annotation):
        reason = "holds no annotation of a dialogue" if folder.find(annotation) else "is missing"
        found.problems.append(f"{folder.path / annotation}: {reason}")
    annotated = {dialogue.casefold() for dialogue in dialogues}
    for name in folder.entries(wavs) if dialogues else ():
        is_new = DIALOGUE.fullmatch(name) and name.casefold() not in annotated
        if is_new and _recorded(folder, f"{wavs}/{name}"):
            found.problems.append(f"{folder.path / annotation / name}.txt: is missing")
    for dialogue in dialogues:
        paths = (f"{place}/{dialogue}" for place in (annotation, wavs, texts))
        _read_dialogue(folder, session, *paths, found)


def _read_dialogue(
    folder: CorpusFolder, session: str, annotation: str, wavs: str, texts: str, found: CorpusScan
) -> None:
    try:
        lines = _lines(folder.path, f"{annotation}.txt")
    except ValueError as error:
        found.problems.append(str(error))
        return
    emotions = _read_turns(folder.path / f"{annotation}.txt", lines, found)
    spoken = _read_texts(folder, f"{texts}.txt", found)
    wavs = folder.find(wavs) or wavs
    recorded = _recorded(folder, wavs)
    for turn, emotion in emotions.items():
        path = f"{wavs}/{recorded.pop(turn.casefold(), f'{turn}.wav')}"
        found.utterances.append(_utterance(session, turn, path, emotion, spoken.get(turn, "")))
    for turn, name in recorded.items():
        if not UNRATED.search(turn):
            found.warnings.append(f"{folder.path / wavs / name}: has no line in its annotation")


def _read_turns(path: Path, lines: list[str], found: CorpusScan) -> dict[str, str]:
    """The emotion of each turn."""
    emotions: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.startswith("["):
            continue
        match, where = TURN.match(line), f"{path}, line {number}"
        if not match or match[4] not in EMOTIONS:
            found.problems.append(f"{where}, {line!r:.80}: is not a turn with a known emotion")
            continue
        turn, (dialogue, _, last) = match[3], match[3].rpartition("_")
        if dialogue.casefold() != path.stem.casefold() or not LAST.fullmatch(last):
            found.problems.append(f"{where}, {turn!r}: is no turn of a speaker of this dialogue")
        elif turn not in emotions:
            emotions[turn] = EMOTIONS[match[4]]
        elif emotions[turn] == EMOTIONS[match[4]]:
            found.warnings.append(f"{where}, {turn!r}: repeats a line")
        else:
            found.problems.append(f"{where}, {turn!r}: has another emotion than in a line before")
    if not any(line.startswith("[") for line in lines):
        found.problems.append(f"{path}: holds no turn")
    return emotions


def _recorded(folder: CorpusFolder, wavs: str) -> dict[str, str]:
    """The names of a dialogue's recordings, by the turn in lower case."""
    names = (name for name in folder.entries(wavs) if name.lower().endswith(".wav"))
    return {name[:-4].casefold(): name for name in names}


def _utterance(session: str, turn: str, path: str, emotion: str, text: str) -> Utterance:
    dialogue, _, last = turn.rpartition("_")
    return Utterance(
        id=f"iemocap/{turn}",
        corpus="iemocap",
        path=path,
        seconds=0.0,
        # Who wore the markers names the dialogue; who speaks is in the turn's last token.
        speaker=f"iemocap/Ses0{session[-1]}{last[0]}",
        gender={"F": "female", "M": "male"}[last[0]],
        session=session,
        dialogue=dialogue,
        style="scripted" if "script" in dialogue else "improvised",
        emotion=emotion,
        text=text,
    )


def _read_texts(folder: CorpusFolder, path: str, found: CorpusScan) -> dict[str, str]:
    """The words of each turn; without them the turns have no text, which is told."""
    spelled = folder.find(path)
    if not spelled:
        found.warnings.append(f"{folder.path / path}: is missing; its turns have no text")
        return {}
    try:
        lines = _lines(folder.path, spelled)
    except ValueError as error:
        found.warnings.append(f"{error}; its turns have no text")
        return {}
    matches = map(TRANSCRIPT.match, lines)
    return {m[1]: m[2].strip() for m in matches if m}


def _lines(folder: Path, path: str) -> list[str]:
    try:
        text = read_text(resolve_inside(folder, path), MOST, errors="replace")
    except ManifestError:
        raise
    except OSError as error:
        raise ValueError(f"{folder / path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{folder / path}: cannot be read: {error}") from error
    if "\0" in text:
        raise ValueError(f"{folder / path}: is not text, or UTF-16; save it as UTF-8")
    return text.splitlines()


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
