#!/usr/bin/env python3
"""What is read of recordings of every container, codec and oddity: the tables of a page of docs.

    python bench/recordings.py --cases DIR --output bench/results/recordings.json
    python bench/harness/tables.py docs/recordings.md

The oracle is the number of samples that was encoded; FFmpeg's own program decodes the same file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from harness import measurement

sys.path.insert(0, str(Path(__file__).parents[1]))

from camser import audio
from robustness.fuzzing.encoded import encode, speech_like, unknown_length, wav

SECONDS = 3.0
BIT_RATES = {"wmav2": 64000, "libopencore_amrnb": 12200}
CODECS = (  # what it is, FFmpeg's codec and container, the rate
    ("WAV, 16 bits", "pcm_s16le", "wav", 16000), ("WAV, float", "pcm_f32le", "wav", 44100),
    ("WAV, A-law", "pcm_alaw", "wav", 8000), ("WAV, IMA ADPCM", "adpcm_ima_wav", "wav", 16000),
    ("WAV, MP3", "libmp3lame", "wav", 44100), ("RF64", "pcm_s16le", "wav", 16000),
    ("Wave64", "pcm_s16le", "w64", 16000), ("AIFF", "pcm_s16be", "aiff", 44100),
    ("AU", "pcm_s16be", "au", 16000), ("CAF", "pcm_s16be", "caf", 16000),
    ("CAF, ALAC", "alac", "caf", 16000), ("FLAC", "flac", "flac", 16000),
    ("Ogg, FLAC", "flac", "oga", 16000), ("Ogg, Opus", "libopus", "ogg", 48000),
    ("MP3, 16 kHz", "libmp3lame", "mp3", 16000), ("MP3, 44.1 kHz", "libmp3lame", "mp3", 44100),
    ("m4a, AAC", "aac", "ipod", 44100), ("m4a, ALAC", "alac", "ipod", 44100),
    ("mp4, AAC", "aac", "mp4", 48000), ("mov, AAC", "aac", "mov", 44100),
    ("AAC, ADTS", "aac", "adts", 16000), ("webm, Opus", "libopus", "webm", 48000),
    ("Matroska, FLAC", "flac", "matroska", 16000), ("WMA", "wmav2", "asf", 44100),
    ("AMR", "libopencore_amrnb", "amr", 8000), ("3gp, AMR", "libopencore_amrnb", "3gp", 8000),
    ("AC-3", "ac3", "ac3", 48000), ("AVI, PCM", "pcm_s16le", "avi", 16000),
    ("FLV, AAC", "aac", "flv", 44100), ("MPEG-TS, AAC", "aac", "mpegts", 44100),
)  # fmt: skip


def plain() -> Iterator[tuple[str, int, int, bytes]]:
    """What it is, the samples that were encoded, their rate, and the file's bytes."""
    for name, codec, form, rate in CODECS:
        samples = speech_like(SECONDS, rate)
        options = {"rf64": "always"} if name == "RF64" else {}
        content = encode(samples, codec, form, rate, 1, BIT_RATES.get(codec), options)
        yield name, len(samples), rate, content


def odd() -> Iterator[tuple[str, int, int, bytes]]:
    """The same of files whose length is declared wrongly, or not at all, and of damaged ones."""
    one, two = speech_like(SECONDS), speech_like(SECONDS, seed=1)
    size, both = 2 * len(one), len(one) + len(two)
    sizes = {
        "of a recorder that crashed (0)": 0, "from a pipe (2^32 - 1)": 2**32 - 1,
        "from a pipe of SoX": 0x7FFFF000, "4 too large": size + 4, "44 too large": size + 44,
        "doubled": 2 * size, "wrapped above 4 GiB": size // 3, "odd": size - 1,
    }  # fmt: skip
    for name, declared in sizes.items():
        yield f"WAV, size {name}", len(one), 16000, wav(one, declared)
    yield "WAV, a tag behind", len(one), 16000, wav(one, after=b"TAG" + bytes(125))
    yield "WAV, chunks behind", len(one), 16000, wav(one, after=b"LIST\x04\0\0\0INFO")
    yield "WAV, big-endian (RIFX)", len(one), 16000, wav(one, order=">")
    yield "two WAVs joined", both, 16000, wav(one) + wav(two)
    yield "WAV, cut in half", len(one), 16000, wav(one)[: len(one)]
    flac = encode(one, "flac", "flac")
    yield "FLAC of unknown length", len(one), 16000, unknown_length(flac)
    yield "FLAC, half the length declared", len(one), 16000, unknown_length(flac, len(one) // 2)
    yield "FLAC, cut in half", len(one), 16000, flac[: len(flac) // 2]
    yield "FLAC, 200 bytes damaged", len(one), 16000, damaged(flac)
    mp3 = [encode(samples, "libmp3lame", "mp3") for samples in (one, two)]
    yield "MP3 without a Xing header", len(one), 16000, without_xing(mp3[0])
    yield "two MP3s joined", both, 16000, b"".join(mp3)
    yield "MP3, ID3 tags on both ends", len(one), 16000, id3() + mp3[0] + b"TAG" + bytes(125)
    yield "MP3, cut in half", len(one), 16000, mp3[0][: len(mp3[0]) // 2]
    yield "MP3, 200 bytes damaged", len(one), 16000, damaged(mp3[0])
    opus = [encode(speech_like(SECONDS, 48000, n), "libopus", "ogg", 48000) for n in (0, 1)]
    yield "two Ogg Opus chained", 3 * both, 48000, b"".join(opus)
    yield "Ogg Opus, cut in half", 3 * len(one), 48000, opus[0][: len(opus[0]) // 2]
    aac = [encode(samples, "aac", "adts") for samples in (one, two)]
    yield "two AACs joined", both, 16000, b"".join(aac)
    m4a = encode(one, "aac", "ipod")
    yield "m4a, cut before its index", len(one), 16000, m4a[: len(m4a) // 2]
    webm = encode(speech_like(SECONDS, 48000), "libopus", "webm", 48000)
    yield "webm, cut in half", 3 * len(one), 48000, webm[: len(webm) // 2]


def damaged(content: bytes) -> bytes:
    """A file with 200 bytes overwritten in its middle."""
    middle = len(content) // 2
    return content[:middle] + b"\xff" * 200 + content[middle + 200 :]


def without_xing(mp3: bytes) -> bytes:
    """An MP3 without its first frame, which holds the header that counts the others."""
    start = mp3.index(b"\xff\xf3") if b"\xff\xf3" in mp3[:2000] else mp3.index(b"\xff\xfb")
    return mp3[mp3.index(mp3[start : start + 2], start + 4) :]


def id3() -> bytes:
    """An empty ID3 tag of 1000 bytes, as music players write."""
    return b"ID3\x04\0\0\0\0\x07\x68" + bytes(1000)


def by_camser(path: Path) -> tuple[np.ndarray, list[str]]:
    """[samples] at the file's own rate, and the warnings; empty, and the reason, if refused."""
    warnings: list[str] = []
    try:
        parts = [samples.mean(axis=1) for _, samples in audio.decode(path, warnings.append)]
        audio.load(path, lambda text: None)
    except audio.AudioError as error:
        return np.zeros(0), [f"refused: {str(error).split(': ', 1)[1]}"]
    return np.concatenate(parts), warnings


def by_ffmpeg(path: Path, rate: int) -> np.ndarray:
    """[samples] of FFmpeg's own program."""
    command = [
        "ffmpeg",
        "-v",
        "quiet",
        "-i",
        path,
        "-ac",
        "1",
        "-ar",
        str(rate),
        "-f",
        "f32le",
        "-",
    ]
    return np.frombuffer(subprocess.run(command, capture_output=True).stdout, np.float32)


def row(name: str, path: Path, encoded: int | None, rate: int) -> dict[str, Any]:
    """The samples of a file by both, and the largest difference where both have some."""
    own, said = by_camser(path)
    other = by_ffmpeg(path, rate)
    both = min(len(own), len(other))
    difference = float(np.abs(own[:both] - other[:both]).max()) if both else None
    return {
        "recording": name,
        "encoded": encoded,
        "ffmpeg": len(other),
        "camser": len(own),
        "largest difference": None if difference is None else f"{difference:.1e}",
        "camser says": "; ".join(said),
    }


def cases(folder: Path) -> Iterator[dict[str, Any]]:
    """A row for each file of a folder of troublesome ones."""
    for path in sorted(p for p in folder.rglob("*.*") if p.is_file()):
        try:
            rate = next(audio.decode(path, lambda text: None))[0]
        except (audio.AudioError, StopIteration):
            rate = audio.SAMPLE_RATE
        yield row(f"{path.parent.name}/{path.name}", path, None, rate)


def main(argv: Sequence[str] | None = None) -> None:
    """Encode, decode, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=Path, metavar="DIR", help="a folder of more files")
    asked = measurement.read_arguments(parser, argv, rounds=1)
    tables = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        for table, made in (("codecs", plain()), ("oddities", odd())):
            tables[table] = []
            for name, encoded, rate, content in made:
                path.write_bytes(content)
                tables[table].append(row(name, path, encoded, rate))
    if asked.cases:
        tables["cases"] = list(cases(asked.cases))
    measurement.report(asked, tables)


if __name__ == "__main__":
    main()
