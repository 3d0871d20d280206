"""Check the recordings of a corpus: each is decoded once, and again where its file has changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from camser.audio import AudioError
from camser.data.corpus_folder import why_missing
from camser.data.manifest import ManifestError, Utterance, audio_path
from camser.data.pack import Contents, pack_corpus
from camser.data.utterance_reader import UtteranceReader
from camser.runtime.digests import add_digest, read_json_with_digest
from camser.runtime.files import atomic_write


def check_audio(
    utterances: Sequence[Utterance], data_folder: Path, prepared_folder: Path
) -> tuple[list[Utterance], list[str], dict[str, Contents]]:
    """Decode the recordings, or know from ``audio.json`` that they have not changed.

    If a file is new or has changed, all files are decoded into a new pack, see ``PackedAudio``.

    Returns
    -------
    utterances : list of Utterance
        The valid ones, with their ``seconds`` and ``digest``.
    problems : list of str
        Why the others are not valid: "place: reason".
    contents : dict of str to Contents
        What is known of the samples, by the utterance's id.
    """
    cache = prepared_folder / "audio.json"
    cached = (read_json_with_digest(cache) or {"files": {}})["files"]
    states: dict[str, list] = {}  # file and span, size and modification time, by utterance
    reader = UtteranceReader(data_folder)
    unchanged: list[Utterance] = []
    contents: dict[str, Contents] = {}
    problems: list[str] = []
    for u in utterances:
        try:
            path = audio_path(data_folder, u)
            if reason := why_missing(path):
                raise AudioError(f"{path}: {reason}")
            status = path.stat()
            span = f", {u.start} s to {u.end} s" if u.is_cut else ""
            state = [f"{path}{span}", status.st_size, status.st_mtime_ns]
            *same, seconds, checksum, known = cached.get(state[0], [None] * 3)
            if same == state[1:] and seconds is None:  # it could not be decoded last time
                reader.read(u)
            states[u.id] = state
            if same == state[1:] and seconds:
                unchanged.append(replace(u, seconds=seconds, digest=checksum))
                contents[u.id] = Contents(*known)
        except (AudioError, ManifestError) as error:
            problems.append(str(error))
    problems = list(dict.fromkeys(problems))  # a file may hold many utterances
    if len(unchanged) == len(states):
        return unchanged, problems, contents
    present = [u for u in utterances if u.id in states]
    valid, unreadable, contents = pack_corpus(present, data_folder, prepared_folder)
    measured = {u.id: [u.seconds, u.digest, contents[u.id]] for u in valid}
    new = {s[0]: [*s[1:], *measured.get(name, [None] * 3)] for name, s in states.items()}
    with atomic_write(cache) as file:
        json.dump(add_digest({"files": {**cached, **new}}), file)
    return valid, problems + unreadable, contents
