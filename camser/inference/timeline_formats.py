"""A timeline as text for other programs: JSON, CSV, RTTM and Audacity labels."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

from camser.inference.timeline import Timeline, table_columns


def as_json(timeline: Timeline, threshold: float = 0.0) -> str:
    """One JSON object, see ``Timeline.to_dict``."""
    return json.dumps(timeline.to_dict(threshold), indent=2) + "\n"


def as_csv(timeline: Timeline, threshold: float = 0.0) -> str:
    """The rows of ``Timeline.table``; nothing where a window has no emotion."""
    rows = [table_columns(timeline.labels), *csv_rows(timeline, threshold)]
    return "".join(f"{csv_line(row)}\n" for row in rows)


def csv_rows(timeline: Timeline, threshold: float = 0.0) -> Iterator[list[str]]:
    """The rows of ``as_csv``, without the header."""
    for source, start, end, emotion, *values in timeline.table(threshold).rows:
        numbers = [f"{value:.6f}" for value in values]
        yield [source, f"{start:.3f}", f"{end:.3f}", emotion or "", *numbers]


def csv_line(cells: Iterable[str]) -> str:
    """A row of a CSV file, without the end of its line.

    Before Python 3.13, the ``csv`` module quotes line breaks only if it ends lines with them.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n")


def as_rttm(timeline: Timeline, threshold: float = 0.0, file_id: str | None = None) -> str:
    """NIST's Rich Transcription Time Marked: one SPEAKER line per turn, named by its emotion.

    The file id is by default the stem of the recording's name, see ``rttm_file_ids``.
    """
    name = _stem(timeline.source) if file_id is None else file_id
    return "".join(
        f"SPEAKER {name} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA> "
        f"{_word(turn.emotion)} {turn.confidence:.3f} <NA>\n"
        for turn in timeline.turns(threshold)
    )


def rttm_file_ids(sources: Collection[str]) -> dict[str, str]:
    """A file id for each of several recordings, no two the same.

    They are the stems; where two recordings have the same, all are paths; and where blanks in
    paths are the only difference, these are percent-encoded.

    Example
    -------
    >>> rttm_file_ids(["a b/x.wav", "c.wav"]), rttm_file_ids(["a b/x.wav", "c/x.wav"])
    ({'a b/x.wav': 'x', 'c.wav': 'c'}, {'a b/x.wav': 'a_b/x.wav', 'c/x.wav': 'c/x.wav'})
    """
    names: dict[str, str] = {}
    for name in (_stem, _word, partial(quote, errors="surrogateescape")):
        names = {source: name(source) for source in sources}
        if len(set(names.values())) == len(names):
            break
    return names


def _stem(source: str) -> str:
    return _word(Path(source).stem) or "recording"


def _word(name: str) -> str:
    """Replace blanks, since they separate the fields of RTTM."""
    return re.sub(r"\s", "_", name)


def as_audacity(timeline: Timeline, threshold: float = 0.0) -> str:
    """An Audacity label track: start, end and emotion of each turn, separated by tabs."""
    return "".join(
        f"{turn.start:.6f}\t{turn.end:.6f}\t{turn.emotion} {turn.confidence:.2f}\n"
        for turn in timeline.turns(threshold)
    )


FORMATS: dict[str, tuple[str, Callable[[Timeline, float], str]]] = {
    "json": (".json", as_json),
    "csv": (".csv", as_csv),
    "rttm": (".rttm", as_rttm),
    "audacity": (".labels.txt", as_audacity),
}
