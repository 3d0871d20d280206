"""Write the samples of a corpus into one array: 16-bit integers if exact, else float32."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from camser import audio
from camser.audio.quality import Finding, QualityCheck
from camser.data.array_cache import write_array, write_index
from camser.data.manifest import Utterance, audio_path, fingerprint
from camser.data.utterance_reader import UtteranceReader
from camser.runtime.digests import digest
from camser.runtime.files import temporary_path
from camser.runtime.progress import with_progress

logger = logging.getLogger(__name__)
FORMAT = "camser packed audio, 3"
FULL_SCALE = 32768  # of 16-bit samples
BLOCK = 1 << 22  # samples read at a time


class Contents(NamedTuple):
    """What is known of a recording's samples: a checksum, and what is odd about them."""

    digest: str
    findings: list[Finding]


def num_samples(utterance: Utterance) -> int:
    """Length at 16 kHz."""
    return round(utterance.seconds * audio.SAMPLE_RATE)


def pack_corpus(
    utterances: Sequence[Utterance], data_folder: Path, folder: Path
) -> tuple[list[Utterance], list[str], dict[str, Contents]]:
    """Decode the recordings of a corpus: measure and check them, and keep their samples.

    Arguments
    ---------
    utterances : sequence of Utterance
        Of one corpus; ``seconds`` and ``digest`` are not known yet.
    data_folder : Path
        The corpus.
    folder : Path
        The prepared folder, where ``PackedAudio`` finds the samples.

    Returns
    -------
    utterances : list of Utterance
        Those that can be read, with their ``seconds`` and ``digest``.
    problems : list of str
        The errors of the others.
    contents : dict of str to Contents
        What is known of their samples, by the utterance's id.
    """
    problems: dict[str, None] = {}  # each once, though a file may hold many utterances
    reader, checksum = UtteranceReader(data_folder), cache(digest)
    contents: dict[str, Contents] = {}

    def read(utterance: Utterance) -> np.ndarray | None:
        check = QualityCheck()
        try:
            samples = reader.read(utterance, check.warn)
        except audio.AudioError as error:
            problems[str(error)] = None
            return None
        check.add(samples)
        checksum = hashlib.sha256(samples.tobytes()).hexdigest()
        contents[utterance.id] = Contents(checksum, check.findings())
        return samples

    path = temporary_path(folder / "packed" / "new.npy")  # renamed when the lengths are known
    try:
        lengths = pack(utterances, read, path, progress=True)
        valid = [
            replace(
                u,
                seconds=lengths[u.id] / audio.SAMPLE_RATE,
                digest=checksum(audio_path(data_folder, u)),
            )
            for u in utterances
            if u.id in lengths
        ]
        packed = path.with_name(f"{fingerprint(valid)}.npy")
        os.replace(path, packed)
    finally:
        path.unlink(missing_ok=True)
    write_index(packed, description(valid))
    return valid, list(problems), contents


def description(utterances: Sequence[Utterance]) -> dict[str, Any]:
    """The description of a packed array, see ``open_cached``."""
    return {"format": FORMAT, "samples": sum(map(num_samples, utterances))}


def pack(
    utterances: Sequence[Utterance],
    read: Callable[[Utterance], np.ndarray | None],
    target: Path,
    progress: bool = False,
) -> dict[str, int]:
    """Write the samples of utterances, and return their numbers by id.

    ``read`` returns the samples of an utterance, or None if it is to be left out. With
    ``progress``, stderr shows how many are read.
    """
    logger.info("packing the audio of %d utterances into %s", len(utterances), target.parent)
    lengths, is_exact = {}, True

    def samples() -> Iterator[np.ndarray]:
        nonlocal is_exact
        shown = with_progress(utterances, "checking the recordings", "file")
        for u in shown if progress else utterances:
            if (recording := read(u)) is None:
                continue
            lengths[u.id] = len(recording)
            is_exact = is_exact and bool((_as_integers(recording) == recording * FULL_SCALE).all())
            yield recording

    write_array(target, (), samples())
    if is_exact:  # half as large
        write_array(target, (), map(_as_integers, _read_blocks(target)), np.int16)
    return lengths


def read_measured(reader: UtteranceReader, utterance: Utterance) -> np.ndarray:
    """The samples of an utterance of a manifest, as many as it says.

    Raises
    ------
    AudioError
        If the recording cannot be read, or has fewer.
    """
    most = num_samples(utterance)
    recording = reader.read(utterance)[:most]
    if len(recording) < most:
        path = audio_path(reader.data_folder, utterance)
        raise audio.AudioError(
            f"{path}: ends before sample {most}; if the file changed after its preparation, delete "
            f"the prepared folder and prepare again"
        )
    return recording


def _read_blocks(path: Path) -> Iterator[np.ndarray]:
    """The float32 samples of a packed array, read rather than mapped, so that memory stays flat."""
    with open(path, "rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        while len(block := np.fromfile(file, np.float32, BLOCK)):
            yield block


def _as_integers(samples: np.ndarray) -> np.ndarray:
    """16-bit samples; ``FULL_SCALE`` is a power of two, so that nothing is rounded by it."""
    return (samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
