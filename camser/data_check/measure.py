"""Look at each recording once: its file, its sound, its vector. What is cached is not read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from tqdm import tqdm

from camser.audio import AudioError
from camser.audio.form import FileForm, read_form
from camser.data.manifest import ManifestError, Utterance, audio_path
from camser.data.utterance_reader import UtteranceReader
from camser.data_check.cache import Cache
from camser.data_check.measures import Measures, measure
from camser.data_check.recording import Recording
from camser.data_check.vectors import Vectorizer
from camser.runtime.progress import is_hidden

KIND = "measures, 1"  # another number where the same samples give other values


def read_forms(utterances: Sequence[Utterance], data_folder: Path) -> list[Recording]:
    """The recordings with the forms of their files, which are not decoded."""
    forms: dict[str, FileForm | None] = {}
    for u in utterances:
        if u.path not in forms:
            forms[u.path] = _form(u, data_folder)
    return [Recording(u, forms[u.path]) for u in utterances]


def _form(utterance: Utterance, data_folder: Path) -> FileForm | None:
    try:
        return read_form(audio_path(data_folder, utterance))
    except ManifestError:
        return None


def measure_recordings(
    recordings: Sequence[Recording],
    data_folder: Path,
    vectorizer: Vectorizer,
    cache: Cache,
) -> Iterator[Recording]:
    """Decode and measure recordings; a bar shows on a terminal.

    Arguments
    ---------
    recordings : sequence of Recording
        Of ``read_forms``; those of one file in the order of their starts.
    data_folder : Path
        The corpus.
    vectorizer : Vectorizer
        Makes their vectors.
    cache : Cache
        Of earlier calls.

    Yields
    ------
    Recording
        With measures and vector, or with the problem.
    """
    reader = UtteranceReader(data_folder)
    bar = tqdm(recordings, desc="recordings", unit="", disable=is_hidden(), dynamic_ncols=True)
    for recording in bar:
        try:
            measures, vector = _measured(recording.utterance, reader, vectorizer, cache)
        except (AudioError, ManifestError, OSError) as error:
            yield Recording(recording.utterance, recording.form, problem=str(error))
        else:
            yield Recording(recording.utterance, recording.form, measures, vector)


def _measured(
    utterance: Utterance, reader: UtteranceReader, vectorizer: Vectorizer, cache: Cache
) -> tuple[Measures, np.ndarray]:
    path = audio_path(reader.data_folder, utterance)
    status = os.stat(path)
    name = f"{path.absolute()}, {utterance.start} s to {utterance.end} s"
    state = f"{status.st_size} bytes, {status.st_mtime_ns} ns"
    stored = _decoded(cache.get(name, KIND, state))
    vector = vectorizer.from_bytes(cache.get(name, vectorizer.kind, state))
    if stored is not None and vector is not None:
        return stored, vector
    measures, samples = measure(lambda warn: reader.read(utterance, warn))
    cache.put(name, KIND, state, msgspec.json.encode(measures))
    if vector is None:
        vector = vectorizer(samples)
        cache.put(name, vectorizer.kind, state, vector.tobytes())
    return measures, vector


def _decoded(stored: bytes | None) -> Any:
    try:
        return stored and msgspec.json.decode(stored, type=Measures)
    except (ValueError, msgspec.MsgspecError):
        return None
