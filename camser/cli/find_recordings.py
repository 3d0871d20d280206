"""From the arguments of ``camser classify`` to recordings: files, folders, patterns, lists."""

from __future__ import annotations

import glob
import io
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from camser.runtime.messages import escape_control_characters

# Of formats that libsndfile or FFmpeg decodes and that hold speech, videos included.
RECORDING_SUFFIXES = frozenset((
    ".3g2", ".3gp", ".8svx", ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".asf",
    ".au", ".avi", ".avr", ".awb", ".caf", ".dss", ".eac3", ".f4a", ".f4v", ".flac", ".flv", ".gsm",
    ".htk", ".iff", ".ircam", ".m2ts", ".m4a", ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp1",
    ".mp2", ".mp3", ".mp4", ".mpa", ".mpeg", ".mpg", ".mpga", ".mts", ".nist", ".oga", ".ogg",
    ".ogv", ".opus", ".paf", ".pvf", ".rf64", ".sd2", ".sds", ".sf", ".snd", ".sph", ".spx", ".svx",
    ".tta", ".vob", ".voc", ".w64", ".wav", ".wave", ".weba", ".webm", ".wma", ".wmv", ".wv",
    ".wve", ".xi",
))  # fmt: skip
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
MAX_SKIPPED_KINDS = 10  # in the message on skipped files


class Failure(NamedTuple):
    """A file that is not classified, or an argument that names none, and the reason."""

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source or repr('')}: {self.reason}"


@dataclass
class Recordings:
    """What the arguments name.

    Arguments
    ---------
    files : list of str
        The recordings: files that were named, whatever they are, and those in folders that have
        one of ``RECORDING_SUFFIXES``.
    problems : list of Failure
        Each argument that names no recording, and each folder that cannot be listed.
    skipped : Counter
        How many other files the folders hold, by suffix; hidden ones are not counted.
    """

    files: list[str] = field(default_factory=list)
    problems: list[Failure] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def skipped_files(self) -> str:
        """E.g. "2 .txt, 1 .pdf"; empty if no file was skipped."""
        counts = self.skipped.most_common(MAX_SKIPPED_KINDS)
        more = self.skipped.total() - sum(count for _, count in counts)
        kinds = [f"{count} {suffix or 'without a suffix'}" for suffix, count in counts]
        return escape_control_characters(", ".join(kinds + ([f"{more} others"] if more else [])))


def read_file_list(path: str | None) -> list[str]:
    """The paths in a text file, one per line; "-" is standard input.

    A command line has no room for a long list of paths. The text is in the file system's encoding,
    or, as programs on Windows write it, in UTF-16 or with a byte order mark.

    Raises
    ------
    ValueError
        If it cannot be read, or has no path.
    """
    if path is None:
        return []
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            data = file.read()
        text = data.decode(_encoding(data), "surrogateescape")  # file names may be any bytes
    except OSError as error:
        raise ValueError(f"--file-list {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"--file-list {path}: not valid text: {error}") from error
    paths = [line.rstrip("\n") for line in io.StringIO(text, newline=None) if line.strip()]
    if not paths:
        raise ValueError(f"{path} contains no path; it must contain one path per line")
    return paths


def _encoding(data: bytes) -> str:
    """The encoding of a list of paths; the first character of a path is one of ASCII."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return encoding
    if b"\0" in data[:2]:
        return "utf-16-be" if data[0] == 0 else "utf-16-le"
    return sys.getfilesystemencoding()


def find_recordings(arguments: Sequence[str]) -> Recordings:
    """The recordings that the arguments name.

    Arguments
    ---------
    arguments : sequence of str
        Files; folders, which are searched at any depth, linked folders too; and, where there is
        no such file, paths that begin with "~" or have wildcards, for shells that expand neither.

    Raises
    ------
    ValueError
        If they name no recording at all.
    """
    if not arguments:
        raise ValueError("nothing to classify; give files, folders, or --file-list FILE")
    found = Recordings()
    for argument in arguments:
        try:
            for path in _expand(argument):
                found.files += _search(path, found) if os.path.isdir(path) else [path]
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            found.problems.append(Failure(argument, str(reason)))
    if not found.files:
        raise ValueError("\n".join(map(str, found.problems)))
    return found


def _expand(argument: str) -> list[str]:
    """The paths that an argument stands for: itself, or what a shell would have made of it.

    Raises
    ------
    OSError, ValueError
        If there is none.
    """
    if not argument:
        raise ValueError("an empty argument; give a file or a folder, e.g. . for the current one")
    if os.path.lexists(argument):
        return [argument]
    pattern = os.path.expanduser(argument)
    matches = sorted(glob.glob(pattern, recursive=True))
    if not matches:
        os.stat(pattern)  # raises the reason
    return matches


def _search(folder: str, found: Recordings) -> list[str]:
    """The recordings in a folder; the other files are counted."""
    files, skipped = [], Counter[str]()
    num_problems = len(found.problems)
    for path in map(Path, _files_below(folder, found.problems)):
        suffix = path.suffix.lower()
        if path.name.startswith("."):
            continue
        if suffix in RECORDING_SUFFIXES:
            files.append(str(path))
        else:
            skipped[suffix] += 1
    found.skipped += skipped
    if not files and len(found.problems) == num_problems:
        suffixes = ", ".join(sorted(RECORDING_SUFFIXES))
        raise ValueError(f"contains no recording; searched suffixes: {suffixes}")
    return sorted(files)


def _files_below(folder: str, problems: list[Failure]) -> Iterator[str]:
    """The files in a folder at any depth. Each folder is listed once, links to folders last."""
    seen, waiting = set(), [folder]

    def report(error: OSError) -> None:
        problems.append(Failure(str(error.filename), f"cannot be listed: {error.strerror}"))

    while waiting:
        for place, folders, names in os.walk(waiting.pop(0), onerror=report):
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            paths = [os.path.join(place, name) for name in folders]
            waiting += sorted(filter(os.path.islink, paths))
            yield from (os.path.join(place, name) for name in names)
