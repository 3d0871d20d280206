"""Write a data check: as a page, as JSON, and as lines for a terminal."""

from __future__ import annotations

import json
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import ChoiceLoader, PackageLoader

from camser.data_check.check import DataCheck
from camser.data_check.figures import figures
from camser.data_check.finding import SEVERITIES, Finding, counted
from camser.data_check.recording import Recording
from camser.data_check.tables import tables
from camser.evaluation.report.write import HTML
from camser.runtime.files import atomic_write

WORDS = {"serious": "serious", "check": "to check", "note": "to note"}


def summary(check: DataCheck) -> str:
    """How many recordings, classes and speakers, and how long; the length of what can be read."""
    rows = check.recordings
    speakers = {r.utterance.speaker for r in rows} - {""}
    measured = [r.measures.seconds for r in rows if r.measures]
    length = f", {sum(measured) / 60:.1f} minutes" if measured else ""
    known = counted(len(speakers), "speaker") if speakers else "speakers unknown"
    number = counted(len({r.emotion for r in rows}), "class")
    return f"{counted(len(rows), 'recording')}{length}, {number}, {known}"


def verdict(findings: list[Finding]) -> str:
    """How many findings there are of each severity."""
    counts = Counter(finding.severity for finding in findings)
    told = [f"{counts[name]} {WORDS[name]}" for name in SEVERITIES if counts[name]]
    return f"{', '.join(told)}." if told else "Nothing was found."


def write_page(check: DataCheck, path: Path) -> None:
    """Write one HTML file that needs no other."""
    loaders = map(PackageLoader, ("camser.data_check", "camser.evaluation.report"))
    page = HTML.overlay(loader=ChoiceLoader([*loaders]))
    text = page.get_template("data.html.jinja").render(
        title=check.source.name, summary=summary(check), verdict=verdict(check.findings),
        findings=check.findings, figures=figures(check), tables=[*tables(check)],
        not_guessed=check.not_guessed,
    )  # fmt: skip
    with atomic_write(path) as file:
        file.write(text)


def write_json(check: DataCheck, path: Path) -> None:
    """Write findings, tables, associations and all recordings."""
    with atomic_write(path) as file:
        json.dump(to_json(check), file, indent=1, ensure_ascii=False)
        file.write("\n")


def to_json(check: DataCheck) -> dict[str, Any]:
    """The same as plain values."""
    guessed = {}
    if check.guesses:
        names, values = check.guesses.classes, check.guesses.probabilities.round(4).tolist()
        for recording, row in zip(check.guesses.recordings, values, strict=True):
            guessed[recording.utterance.id] = dict(zip(names, row, strict=True))
    return {
        "camser": metadata.version("camser"),
        "corpus": check.source.name,
        "data_folder": str(check.source.data_folder),
        "summary": summary(check),
        "findings": [finding._asdict() for finding in check.findings],
        "associations": {
            name: {
                **found._asdict(),
                "by_class": {emotion: told._asdict() for emotion, told in found.by_class.items()},
            }
            for name, found in check.associations.items()
        },
        "tables": [table._asdict() for table in tables(check)],
        "recordings": [
            {**_recording(r), "guess": guessed.get(r.utterance.id)} for r in check.recordings
        ],
    }


def _recording(recording: Recording) -> dict[str, Any]:
    u = recording.utterance
    labels = {name: getattr(u, name) for name in ("id", "path", "start", "end", "emotion", "split")}
    return {
        **labels, "speaker": recording.speaker, "problem": recording.problem,
        "form": recording.form and recording.form._asdict(),
        "measures": recording.measures and msgspec.to_builtins(recording.measures),
    }  # fmt: skip
