"""``camser classify``: emotions of files as a table, JSON or CSV. Bad files are reported."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from camser.runtime.messages import escape_control_characters

if TYPE_CHECKING:
    from camser.inference import EmotionClassifier, Prediction, Timeline

Result = TypeVar("Result", "Prediction", "Timeline")
TIMELINE_OPTIONS = ("window", "hop", "smoothing", "smoothing_seconds")
ONLY_TIMELINES = ("rttm", "audacity")


def timeline_options(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """The arguments of ``EmotionClassifier.timeline`` on the command line; None for decisions.

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
    classifier: EmotionClassifier,
    files: Sequence[str],
    form: str = "table",
    threshold: float = 0.0,
    timeline: dict[str, Any] | None = None,
    require_speech: bool = False,
) -> int:
    """Print the recognized emotion of each file.

    Arguments
    ---------
    classifier : EmotionClassifier
        The model.
    files : sequence of str
        Paths.
    form : str
        "table", "json", "csv", or, for timelines, "rttm" or "audacity".
    threshold : float
        The minimum confidence of a decision.
    timeline : dict, optional
        The arguments of ``EmotionClassifier.timeline``; prints the changes along each file.
    require_speech : bool
        Whether a file without speech is an error instead of a warning.

    Returns
    -------
    int
        How many files could not be read, or hold no speech although it is required.
    """
    from tqdm import tqdm

    from camser.inference.prediction import check_threshold

    check_threshold(threshold)
    failures = []

    def report(source: str, error: Exception) -> None:
        failures.append(source)
        tqdm.write(f"camser: {escape_control_characters(str(error))}", file=sys.stderr)

    bar = tqdm(files, unit="file", disable=None if len(files) > 1 else True)
    options = {"require_speech": require_speech}
    if timeline is None:
        predictions = classifier.stream(bar, threshold=threshold, on_error=report, **options)
        lines = _prediction_lines(_warned(predictions), form, classifier.labels, files)
    else:
        timelines = _timelines(classifier, bar, {**timeline, **options}, report)
        lines = _timeline_lines(_warned(timelines), form, threshold, files)
    for line in lines:
        tqdm.write(line, file=sys.stdout)
    return len(failures)


def _warned(results: Iterable[Result]) -> Iterator[Result]:
    """Print the warnings of each result on standard error, and pass it on."""
    from tqdm import tqdm

    for result in results:
        for warning in result.warnings:
            text = escape_control_characters(f"{result.source}: {warning}")
            tqdm.write(f"camser: warning: {text}", file=sys.stderr)
        yield result


def _timelines(
    classifier: EmotionClassifier,
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
    predictions: Iterable[Prediction], form: str, labels: Sequence[str], files: Sequence[str]
) -> Iterator[str]:
    """One decision per file."""
    if form == "json":
        yield from _json_list(p._asdict() for p in predictions)
    elif form == "csv":
        yield _csv_line(["source", "seconds", "emotion", "confidence", *labels, "warnings"])
        for p in predictions:
            values = [f"{value:.6f}" for value in (p.confidence, *p.probabilities.values())]
            cells = [p.source, f"{p.seconds:.3f}", p.emotion or "", *values]
            yield _csv_line([*cells, " | ".join(p.warnings)])
    else:
        width = max(len("file"), *(len(escape_control_characters(file)) for file in files))
        label_width = max(len("emotion"), *map(len, labels))
        header = "".join(f"{label:>{max(8, len(label) + 2)}}" for label in labels)
        yield f"{'file':{width}}  {'seconds':>9}  {'emotion':{label_width}}{header}"
        for p in predictions:
            values = "".join(f"{v:>{max(8, len(k) + 2)}.1%}" for k, v in p.probabilities.items())
            source = escape_control_characters(p.source)
            yield f"{source:{width}}  {p.seconds:>9.2f}  {p.emotion or '–':{label_width}}{values}"


def _timeline_lines(
    timelines: Iterable[Timeline], form: str, threshold: float, files: Sequence[str]
) -> Iterator[str]:
    """The changes along each file."""
    from camser.inference import timeline_formats

    if form == "json":
        yield from _json_list(timeline_formats.as_dict(t, threshold) for t in timelines)
    elif form == "table":
        for t in timelines:
            yield f"{escape_control_characters(t.source)}  ({t.seconds:.2f} s)"
            for turn in t.turns(threshold):
                yield f"{turn.start:>10.2f} {turn.end:>10.2f}  {turn.emotion} {turn.confidence:.1%}"
    else:
        file_ids = timeline_formats.rttm_file_ids(files) if form == "rttm" else {}
        for number, t in enumerate(timelines):
            if form == "rttm":
                text = timeline_formats.as_rttm(t, threshold, file_ids[t.source])
            else:
                text = timeline_formats.FORMATS[form][1](t, threshold)
            if form == "csv" and number:
                text = text.partition("\n")[2]  # the header is already printed
            if text:
                yield text.removesuffix("\n")


def _json_list(items: Iterable[dict]) -> Iterator[str]:
    """One JSON list; each item is written as soon as it is known."""
    before = "["
    for item in items:
        yield before + json.dumps(item)
        before = ","
    yield "[]" if before == "[" else "]"


def _csv_line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
