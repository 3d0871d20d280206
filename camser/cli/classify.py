"""``camser classify``: files in, a table, JSON or CSV out; a bad file is told and left out."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camser.runtime.exit import escape_control_characters

if TYPE_CHECKING:
    from camser.inference import EmotionClassifier, Prediction, Timeline

FORMS = ("table", "json", "csv", "rttm", "audacity")
ONLY_TIMELINES = ("rttm", "audacity")
MORE_SUFFIXES = {".aif", ".oga", ".opus", ".snd", ".wave"}  # as their owners also call them


class FailureReporter:
    """Tells of each bad file on standard error, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, source: str, error: Exception) -> None:
        """Report one."""
        from tqdm import tqdm

        self.count += 1
        tqdm.write(f"camser: {escape_control_characters(str(error))}", file=sys.stderr)


def read_file_list(path: str | None) -> list[str]:
    """The paths that a file names, one on each line; "-" is standard input.

    There may be more of them than a command line has room for.

    Raises
    ------
    ValueError
        If it names none.
    """
    if path is None:
        return []
    source, encoding = 0 if path == "-" else path, sys.getfilesystemencoding()
    with open(source, encoding=encoding, errors="surrogateescape", closefd=path != "-") as lines:
        found = [line.rstrip("\n") for line in lines if line.strip()]
    if not found:
        raise ValueError(f"{path} names no file; it must hold a path on each line")
    return found


def find_recordings(paths: Sequence[str]) -> list[str]:
    """The files that are named, and those with sound in the folders that are.

    Raises
    ------
    ValueError
        If nothing is named, or a folder has none, at any depth.
    """
    import soundfile

    if not paths:
        raise ValueError("nothing to classify; give files, folders, or --list FILE")

    suffixes = {f".{name.lower()}" for name in soundfile.available_formats()} | MORE_SUFFIXES
    found = []
    for path in map(Path, paths):
        if not path.is_dir():
            found.append(str(path))
            continue
        inside = sorted(
            str(p)
            for p in path.rglob("*")
            if p.suffix.lower() in suffixes and not p.name.startswith(".") and p.is_file()
        )
        if not inside:
            raise ValueError(
                f"{path} holds no sound file; looked for: {', '.join(sorted(suffixes))}"
            )
        found += inside
    return found


def classify(
    classifier: EmotionClassifier,
    files: Sequence[str],
    form: str = "table",
    threshold: float = 0.0,
    timeline: dict[str, Any] | None = None,
) -> int:
    """Print what each file is taken for.

    Arguments
    ---------
    classifier : EmotionClassifier
        The model.
    files : sequence of str
        Paths.
    form : str
        "table", "json", "csv", or, for timelines, "rttm" or "audacity".
    threshold : float
        The least confidence of a decision.
    timeline : dict, optional
        The arguments of ``EmotionClassifier.timeline``: what changes along each file is printed.

    Returns
    -------
    int
        How many files could not be read.
    """
    from tqdm import tqdm

    # Names that are no text are written as the bytes that they are.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    failures = FailureReporter()
    bar = tqdm(files, unit="file", disable=None if len(files) > 1 else True)
    if timeline is None:
        found = classifier.stream(bar, threshold=threshold, on_error=failures)
        lines = PREDICTIONS[form](found, classifier.labels, files)
    else:
        found = _timelines(classifier, bar, timeline, failures)
        lines = _timeline_lines(found, form, threshold)
    for line in lines:
        tqdm.write(line, file=sys.stdout)
    return failures.count


def _timelines(
    classifier: EmotionClassifier, files: Iterable[str], options: dict, failures: FailureReporter
) -> Iterator[Timeline]:
    from camser.audio import AudioError

    for file in files:
        try:
            yield classifier.timeline(file, **options)
        except AudioError as error:
            failures(file, error)


# A decision a file --------------------------------------------------------------------------


def _table(
    found: Iterable[Prediction], labels: Sequence[str], files: Sequence[str]
) -> Iterator[str]:
    width = max(len("file"), *(len(escape_control_characters(file)) for file in files))
    room = max(len("emotion"), *map(len, labels))
    heads = "".join(f"{label:>{max(8, len(label) + 2)}}" for label in labels)
    yield f"{'file':{width}}  {'seconds':>9}  {'emotion':{room}}{heads}"
    for p in found:
        values = "".join(f"{v:>{max(8, len(k) + 2)}.1%}" for k, v in p.probabilities.items())
        source = escape_control_characters(p.source)
        yield f"{source:{width}}  {p.seconds:>9.2f}  {p.emotion or '–':{room}}{values}"


def _json(
    found: Iterable[Prediction], labels: Sequence[str], files: Sequence[str]
) -> Iterator[str]:
    yield from _json_list(p._asdict() for p in found)


def _csv(found: Iterable[Prediction], labels: Sequence[str], files: Sequence[str]) -> Iterator[str]:
    yield _csv_line(["source", "seconds", "emotion", "confidence", *labels])
    for p in found:
        values = [f"{value:.6f}" for value in (p.confidence, *p.probabilities.values())]
        yield _csv_line([p.source, f"{p.seconds:.3f}", p.emotion or "", *values])


PREDICTIONS = {"table": _table, "json": _json, "csv": _csv}


# Timelines ----------------------------------------------------------------------------------


def _timeline_lines(found: Iterable[Timeline], form: str, threshold: float) -> Iterator[str]:
    from camser.inference import timeline_formats

    if form == "json":
        yield from _json_list(timeline_formats.as_dict(t, threshold) for t in found)
    elif form == "table":
        for t in found:
            yield f"{escape_control_characters(t.source)}  ({t.seconds:.2f} s)"
            for turn in t.turns(threshold):
                yield f"{turn.start:>10.2f} {turn.end:>10.2f}  {turn.emotion} {turn.confidence:.1%}"
    else:
        for number, t in enumerate(found):
            text = timeline_formats.FORMATS[form][1](t, threshold)
            if form == "csv" and number:
                text = text.partition("\n")[2]  # the head is there
            if text:
                yield text.removesuffix("\n")


def _json_list(items: Iterable[dict]) -> Iterator[str]:
    """One JSON list, each item as soon as it is known."""
    before = "["
    for item in items:
        yield before + json.dumps(item)
        before = ","
    yield "[]" if before == "[" else "]"


def _csv_line(cells: Sequence[str]) -> str:
    import io

    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
