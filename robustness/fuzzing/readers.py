"""What reads the files of strangers: each reader with a file as it should be, and its errors."""

from __future__ import annotations

import importlib
import io
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import soundfile

from camser import audio
from camser.data import manifest as corpus_manifest
from camser.data.prepare import CorpusError
from camser.evaluation import results
from camser.evaluation.report.collect import ReportError, collect
from robustness.fuzzing import mutations

SAMPLES = np.random.default_rng(0).standard_normal((4800, 2)) * 0.1
EMOTIONS = (
    "[6.29 - 8.23]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\nC-E2:\tNeutral;\t()\n\n"
    "[10.01 - 11.39]\tSes01F_impro01_M001\tang\t[2.5, 2.5, 2.0]\n"
)
TEXTS = (
    "Ses01F_impro01_F000 [006.29-008.23]: Excuse me.\nSes01F_impro01_M001 [010.01-011.39]: Yeah.\n"
)
RESULTS = {
    "corpus": "iemocap", "protocol": "leave_one_speaker_out", "selection": "held_out", "fold": 0,
    "fold_name": "iemocap/Ses01F", "seed": 1, "variant": "tiny", "labels": ["angry", "sad"],
    "settings": {
        "modalities": ["mfcc"], "encoders": {"mfcc": {"plugin": "mfcc_bilstm"}}, "fusion": "concat",
        "fusions": {"concat": {"plugin": "concat"}}, "segment_seconds": 3.0, "num_folds": None,
    },
    "parts": {"train": 4, "valid": 2, "test": 2}, "WA": 0.5, "UA": 0.5, "macro_F1": 0.4,
    "recall": {"angry": 1.0, "sad": None}, "precision": {"angry": 1.0, "sad": None}, "absent": [],
    "confusion": [[1, 0], [1, 0]], "num_utterances": 2, "best_epoch": 1, "epochs": 1,
    "seconds": 3.5, "num_protocol_folds": 10, "segment_flops": 9, "test_seconds": 0.5,
    "parameters": {"total": {"total": 2, "trained": 1}}, "device": "cpu", "left_out": {"calm": 2},
    "versions": {"torch": "2"}, "manifest": "0" * 16,
    "plugins": {"mfcc": {"plugin": "mfcc_bilstm", "distribution": "camser", "version": "0"}},
}  # fmt: skip


class Target(NamedTuple):
    """A reader of files.

    Arguments
    ---------
    name : str
        Of the row.
    write : callable
        Writes a hostile file into a folder; gives its path.
    read : callable
        Raises one of ``errors``; or asserts that what it gives is right.
    errors : tuple of type
        What the reader documents.
    slow : int
        How many of the other readers' trials take as long as one.
    """

    name: str
    write: Callable[[Random, Path], Path]
    read: Callable[[Path], Any]
    errors: tuple[type[Exception], ...]
    slow: int = 1


def utterances() -> list[corpus_manifest.Utterance]:
    """Two rows."""
    rows = [("a, b", "female", 'say "x"'), ("c", "male", "")]
    return [
        corpus_manifest.Utterance(
            f"x/{i}", "x", f"wav/{i}.wav", 1.5 + i, f"x/{who}", gender, emotion="sad", text=text
        )
        for i, (who, gender, text) in enumerate(rows)
    ]


# Audio ----------------------------------------------------------------------------------------

SOUNDS = {
    "WAV, PCM": ("a.wav", 16000, "WAV", "PCM_16"), "WAV, float": ("a.wav", 8000, "WAV", "FLOAT"),
    "WAV, ADPCM": ("a.wav", 22050, "WAV", "IMA_ADPCM"),
    "WAVEX": ("a.wav", 48000, "WAVEX", "PCM_24"),
    "RF64": ("a.wav", 16000, "RF64", "PCM_16"), "W64": ("a.w64", 16000, "W64", "PCM_16"),
    "FLAC": ("a.flac", 16000, "FLAC", "PCM_16"), "OGG, Vorbis": ("a.ogg", 16000, "OGG", "VORBIS"),
    "OGG, Opus": ("a.opus", 48000, "OGG", "OPUS"), "MP3": ("a.mp3", 16000, "MP3", "MPEG_LAYER_III"),
    "AIFF": ("a.aiff", 16000, "AIFF", "PCM_16"), "AU": ("a.au", 16000, "AU", "PCM_16"),
    "CAF": ("a.caf", 16000, "CAF", "PCM_16"),
}  # fmt: skip


def sound(kind: str) -> Target:
    """A recording of one format."""
    name, rate, form, subtype = SOUNDS[kind]
    stream = io.BytesIO()
    soundfile.write(stream, SAMPLES, rate, format=form, subtype=subtype)
    seed = stream.getvalue()

    def write(random: Random, place: Path) -> Path:
        data = mutations.bytes_of(random, seed)
        # A page of Ogg with a wrong checksum is passed over before anything looks into it.
        path = place / name
        path.write_bytes(mutations.ogg_checked(data) if form == "OGG" else data)
        return path

    return Target(f"a recording ({kind})", write, _listen, (audio.AudioError,))


def _listen(path: Path) -> None:
    samples = audio.load(path)
    assert samples.dtype == np.float32 and samples.ndim == 1 and 0 < len(samples) < 2**24
    assert np.isfinite(samples).all()
    joined = np.concatenate(list(audio.iter_chunks(path, 1000)))
    assert np.array_equal(joined, samples)


def length(kind: str, mistake: str) -> Target:
    """A recording whose header declares a wrong length, or that is cut short.

    The oracle is the number of samples that was encoded: all are read, or a warning is given.
    """
    name, rate, form, subtype = SOUNDS[kind]
    stream = io.BytesIO()
    soundfile.write(stream, SAMPLES, rate, format=form, subtype=subtype)
    seed = stream.getvalue()

    def write(random: Random, place: Path) -> Path:
        data = bytearray(seed)
        if mistake == "cut short":
            del data[random.randrange(len(data) // 2, len(data)) :]
        elif form == "FLAC":  # 36 bits of STREAMINFO
            declared = random.choice((0, random.randrange(2**36)))
            data[21] = data[21] & 0xF0 | declared >> 32
            data[22:26] = struct.pack(">I", declared & 0xFFFFFFFF)
        elif form == "MP3":  # the number of frames, after the name and the flags
            first = max(seed.find(b"Xing"), seed.find(b"Info")) + 8
            data[first : first + 4] = struct.pack(">I", random.choice((0, random.randrange(2**31))))
        else:
            first = seed.index(b"data") + 4
            wrong = 0, 2**32 - 1, random.randrange(2**32), random.randrange(len(seed))
            data[first : first + 4] = struct.pack("<I", random.choice(wrong))
        path = place / name
        path.write_bytes(data)
        return path

    def read(path: Path) -> None:
        warnings: list[str] = []
        present = sum(len(samples) for _, samples in audio.decode(path, warnings.append))
        padding = 2 * 1152 if form in ("MP3", "OGG") else 0  # a codec's delay, undeclared
        missing = len(SAMPLES) * (48000 / rate if subtype == "OPUS" else 1) - present
        if mistake == "cut short":
            assert warnings or missing <= 0.05 * rate or not present, (missing, warnings)
        else:
            assert -padding <= missing <= 0, (missing, warnings)

    return Target(f"a recording, {mistake} ({kind})", write, read, (audio.AudioError,))


# Corpora --------------------------------------------------------------------------------------


def annotation(random: Random, place: Path) -> Path:
    """IEMOCAP's annotation and transcription of a dialogue, and the expected counts."""
    dialog, name = place / "Session1" / "dialog", "Ses01F_impro01.txt"
    files = {dialog / "EmoEvaluation" / name: EMOTIONS, dialog / "transcriptions" / name: TEXTS}
    hurt = random.choice([*files, None])
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutations.text_of(random, text) if path == hurt else text.encode())
    counts = {"Session1": {"angry": 1, "neutral": 1}}
    data = json.dumps(counts).encode() if hurt else mutations.tree_of(random, counts)
    (place / "expected_counts.json").write_bytes(data)
    return place


def names(random: Random, place: Path) -> Path:
    """File names as EmoDB's and RAVDESS's, and others."""
    for _ in range(5):
        seed = random.choice(("03a01Fa", "16b10Tb", "03-01-05-02-01-01-01", "03-01-05-02-02-02-02"))
        text = mutations.text_of(random, seed).decode("utf-8", "surrogateescape")
        text = text.replace("\0", "").replace("/", "").strip(".")[:60] or "x"
        for parent in (place / "wav", place / "Actor_01"):
            parent.mkdir(exist_ok=True)
            (parent / f"{text}{random.choice(('.wav', '.flac', ''))}").touch()
    return place


def scan(*recipes: str) -> Callable[[Path], None]:
    """The scan of recipes: what it takes can be a manifest, and lies in the folder."""

    def read(place: Path) -> None:
        for recipe in recipes:
            found = importlib.import_module(f"{recipe}_prepare").scan(place)
            for row in found.utterances:
                corpus_manifest.audio_path(place, row)
            if found.utterances:
                rows = [replace(row, seconds=1.0) for row in found.utterances]
                corpus_manifest.write_manifest(place / "manifest.csv", rows)

    return read


def manifest(random: Random, place: Path) -> Path:
    """A table of utterances."""
    path = place / "manifest.csv"
    corpus_manifest.write_manifest(path, utterances())
    path.write_bytes(mutations.text_of(random, path.read_bytes().decode()))
    return path


def read_manifest(path: Path) -> None:
    """What is read, written again, is read the same."""
    rows = corpus_manifest.read_manifest(path)
    corpus_manifest.write_manifest(path, rows)
    assert corpus_manifest.read_manifest(path) == rows


# Results --------------------------------------------------------------------------------------


def run(hurt: str) -> Callable[[Random, Path], Path]:
    """A run's files, one of them hostile; the digests are right, as a forger's are."""

    def write(random: Random, place: Path) -> Path:
        results.write_predictions(place, utterances(), [np.log([0.25, 0.75])] * 2, ["angry", "sad"])
        results.write_history(place, [{"epoch": 1, "loss": 0.5}])
        results.write_arrays(place / "embeddings.npz", {"fused": np.ones((2, 3), np.float32)})
        path = place / hurt
        if path.suffix == ".csv":
            path.write_bytes(mutations.text_of(random, path.read_bytes().decode()))
        elif path.suffix == ".npz":
            path.write_bytes(mutations.npz_of(random, path.read_bytes()))
        results.write_results(place, RESULTS)
        if path.suffix == ".json":
            told = json.loads(path.read_bytes())
            path.write_bytes(mutations.forged(mutations.tree_of(random, told)))
        return place

    return write


def report(place: Path) -> None:
    """What ``camser report`` reads; all that its tables show is there."""
    for section in collect([place]):
        assert section.main and section.fold_names
        for variant in section.variants.values():
            assert np.isfinite(variant.log_probabilities).all() and variant.pooled
    results.read_history(place)
    arrays = results.read_arrays(place / "embeddings.npz")
    assert sum(array.nbytes for array in arrays.values()) < 2**30


def targets() -> list[Target]:
    """Those that need no model; the others are in ``models``."""
    scanned = (CorpusError, corpus_manifest.ManifestError)
    reported = (results.ResultsError, ReportError)
    files = ("results.json", results.PREDICTIONS, "history.csv", "embeddings.npz")
    return [
        *(sound(kind) for kind in SOUNDS),
        *(length(kind, "cut short") for kind in SOUNDS),
        *(length(kind, "its length wrong") for kind in ("WAV, PCM", "WAVEX", "FLAC", "MP3")),
        Target("IEMOCAP's annotation", annotation, scan("iemocap"), scanned),
        Target("EmoDB's and RAVDESS's file names", names, scan("emodb", "ravdess"), scanned),
        Target("manifest.csv", manifest, read_manifest, (corpus_manifest.ManifestError,)),
        *(Target(f"a run's {name}", run(name), report, reported, 4) for name in files),
    ]
