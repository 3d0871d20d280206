"""``camser classify``: emotions of files as a table, JSON or CSV. Bad files are reported."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from camser.cli.find_recordings import Failure
from camser.inference.timeline import table_columns
from camser.inference.timeline_formats import (
    as_audacity,
    as_rttm,
    csv_line,
    csv_rows,
    rttm_file_ids,
)
from camser.runtime.messages import escape_control_characters
from camser.runtime.progress import is_hidden

if TYPE_CHECKING:
    from camser.inference import Prediction, Timeline
    from camser.inference.recognizer import Recognizer

logger = logging.getLogger(__name__)
Result = TypeVar("Result", "Prediction", "Timeline")
TIMELINE_OPTIONS = ("window", "hop", "smoothing", "smoothing_seconds")
ONLY_TIMELINES = ("rttm", "audacity")


def timeline_options(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """The arguments of ``Recognizer.timeline`` on the command line; None for decisions.

    Raises
    ------
    ValueError
        If one of them would have no effect.
    """
    given = {name: getattr(arguments, name) for name in TIMELINE_OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    if not arguments.timeline and arguments.form not in ONLY_TIMELINES:
        if given:
            option = next(iter(given)).replace("_", "-")
            raise ValueError(f"--{option} is for timelines; add --timeline, or leave it out")
        return None
    if "smoothing_seconds" in given and "smoothing" not in given:
        raise ValueError("--smoothing-seconds has no effect without --smoothing=mean or median")
    return given


def classify(
    classifier: Recognizer,
    files: Sequence[str],
    form: str = "table",
    threshold: float = 0.0,
    timeline: dict[str, Any] | None = None,
    require_speech: bool = False,
    problems: Iterable[Failure] = (),
) -> int:
    """Print the recognized emotion of each file.

    Failures are reported on standard error; JSON and CSV have them too, with the reason.

    Arguments
    ---------
    classifier : Recognizer
        The model.
    files : sequence of str
        Paths.
    form : str
        "table", "json", "csv", or, for timelines, "rttm" or "audacity".
    threshold : float
        The minimum confidence of a decision.
    timeline : dict, optional
        The arguments of ``Recognizer.timeline``; prints the changes along each file.
    require_speech : bool
        Whether a file without speech is an error instead of a warning.
    problems : iterable of Failure
        What is known to fail before a file is read.

    Returns
    -------
    int
        The number of failures: ``problems``, files that cannot be read, and files that hold no
        speech although it is required.
    """
    from tqdm import tqdm

    from camser.inference.prediction import check_threshold

    check_threshold(threshold)
    failures: list[Failure] = []

    def fail(failure: Failure, message: str) -> None:
        failures.append(failure)
        logger.error("%s", message)

    def report(source: str, error: Exception) -> None:
        fail(Failure(source, str(error).removeprefix(f"{source}: ")), str(error))

    for problem in problems:
        fail(problem, str(problem))
    bar = tqdm(files, unit="file", disable=is_hidden() if len(files) > 1 else True)
    options = {"require_speech": require_speech}
    if timeline is None:
        predictions = classifier.stream(bar, threshold=threshold, on_error=report, **options)
        results = _with_failures(_warned(predictions), failures, files)
        lines = _prediction_lines(results, form, classifier.labels, files)
    else:
        timelines = _timelines(classifier, bar, {**timeline, **options}, report)
        results = _with_failures(_warned(timelines), failures, files)
        lines = _timeline_lines(results, form, threshold, files, classifier.labels)
    for line in lines:
        tqdm.write(line, file=sys.stdout)
    return len(failures)


def _warned(results: Iterable[Result]) -> Iterator[Result]:
    """Print the warnings of each result on standard error, and pass it on."""
    for result in results:
        for warning in result.warnings:
            logger.warning("%s: %s", result.source, warning)
        yield result


def _with_failures(
    results: Iterable[Result], failures: Sequence[Failure], files: Sequence[str]
) -> Iterator[Result | Failure]:
    """Results and failures in the order of the files; first what is known to have failed."""
    yield from (known := failures[:])
    waiting, count = iter(files), len(known)
    for result in results:
        for file in waiting:
            if file == result.source:
                break
            yield failures[count]
            count += 1
        yield result
    yield from failures[count:]


def _timelines(
    classifier: Recognizer,
    files: Iterable[str],
    options: dict,
    report: Callable[[str, Exception], None],
) -> Iterator[Timeline]:
    from camser.audio import AudioError

    for file in files:
        try:
            yield classifier.timeline(file, **options)
        except AudioError as error:
            report(file, error)


def _prediction_lines(
    results: Iterable[Prediction | Failure], form: str, labels: Sequence[str], files: Sequence[str]
) -> Iterator[str]:
    """One decision per file."""
    if form == "json":
        yield from _json_list(_as_dict(result) for result in results)
    elif form == "csv":
        columns = ["source", "seconds", "emotion", "confidence", *labels, "warnings", "error"]
        yield csv_line(columns)
        for p in results:
            if isinstance(p, Failure):
                yield _csv_failure(p, len(columns))
                continue
            values = [f"{value:.6f}" for value in (p.confidence, *p.probabilities.values())]
            cells = [p.source, f"{p.seconds:.3f}", p.emotion or "", *values]
            yield csv_line([*cells, " | ".join(p.warnings), ""])
    else:
        width = max(len("file"), *(len(escape_control_characters(file)) for file in files))
        label_width = max(len("emotion"), *map(len, labels))
        header = "".join(f"{label:>{max(8, len(label) + 2)}}" for label in labels)
        yield f"{'file':{width}}  {'seconds':>9}  {'emotion':{label_width}}{header}"
        for p in _successes(results):
            values = "".join(f"{v:>{max(8, len(k) + 2)}.1%}" for k, v in p.probabilities.items())
            source = escape_control_characters(p.source)
            yield f"{source:{width}}  {p.seconds:>9.2f}  {p.emotion or '–':{label_width}}{values}"


def _timeline_lines(
    results: Iterable[Timeline | Failure],
    form: str,
    threshold: float,
    files: Sequence[str],
    labels: Sequence[str],
) -> Iterator[str]:
    """The changes along each file."""
    if form == "json":
        yield from _json_list(_as_dict(result, threshold) for result in results)
    elif form == "csv":
        columns = [*table_columns(labels), "error"]
        yield csv_line(columns)
        for t in results:
            if isinstance(t, Failure):
                yield _csv_failure(t, len(columns))
            else:
                yield from (csv_line([*row, ""]) for row in csv_rows(t, threshold))
    elif form == "table":
        for t in _successes(results):
            yield f"{escape_control_characters(t.source)}  ({t.seconds:.2f} s)"
            for turn in t.turns(threshold):
                yield f"{turn.start:>10.2f} {turn.end:>10.2f}  {turn.emotion} {turn.confidence:.1%}"
    else:
        file_ids = rttm_file_ids(files) if form == "rttm" else {}
        for t in _successes(results):
            if form == "rttm":
                text = as_rttm(t, threshold, file_ids[t.source])
            else:
                text = as_audacity(t, threshold)
            if text:
                yield text.removesuffix("\n")


def _successes(results: Iterable[Result | Failure]) -> Iterator[Result]:
    return (result for result in results if not isinstance(result, Failure))


def _as_dict(result: Prediction | Timeline | Failure, *threshold: float) -> dict[str, Any]:
    if isinstance(result, Failure):
        return {"source": result.source, "error": result.reason}
    return result.to_dict(*threshold)


def _csv_failure(failure: Failure, num_cells: int) -> str:
    """Its first and its last cell."""
    return csv_line([failure.source, *[""] * (num_cells - 2), failure.reason])


def _json_list(items: Iterable[dict]) -> Iterator[str]:
    """One JSON list; each item is written as soon as it is known."""
    before = "["
    for item in items:
        yield before + json.dumps(item)
        before = ","
    yield "[]" if before == "[" else "]"
