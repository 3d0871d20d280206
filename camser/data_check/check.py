"""All findings about labelled recordings: from the labels alone, or from each recording's sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from camser.data_check import (
    classes,
    confounds,
    duplicates,
    guesses,
    labels,
    parts,
    sounds,
    speakers,
    texts,
)
from camser.data_check.association import Association
from camser.data_check.cache import Cache
from camser.data_check.finding import Finding, by_severity
from camser.data_check.guesses import Guesses
from camser.data_check.measure import measure_recordings, read_forms
from camser.data_check.recording import Recording
from camser.data_check.source import Source
from camser.data_check.vectors import FEATURES, Vectorizer

MAX_FORMS = 2000  # files whose header is read where no recording is decoded


@dataclass(frozen=True)
class DataCheck:
    """What was found.

    Arguments
    ---------
    source : Source
        The labels.
    recordings : sequence of Recording
        All, those that cannot be read too.
    findings : list of Finding
        The serious ones first.
    associations : mapping of str to Association
        How well each property tells the class.
    guesses : Guesses, optional
        What a classifier guesses.
    not_guessed : str
        Why there are no guesses.
    """

    source: Source
    recordings: Sequence[Recording]
    findings: list[Finding]
    associations: Mapping[str, Association]
    guesses: Guesses | None = None
    not_guessed: str = ""


def check_labels(source: Source) -> DataCheck:
    """What the labels and the headers of files tell; no recording is decoded."""
    every = max(1, -(-len(source.utterances) // MAX_FORMS))
    recordings = [Recording(u) for u in source.utterances]
    recordings[::every] = read_forms(source.utterances[::every], source.data_folder)
    return _check(source, recordings)


def check_recordings(
    source: Source, cache: Path | None = None, encoder: Mapping[str, Any] = FEATURES
) -> DataCheck:
    """What the labels and all recordings tell.

    Arguments
    ---------
    source : Source
        The labels, from ``source``.
    cache : Path, optional
        See ``Cache``.
    encoder : mapping
        The table of the encoder on whose frames labels are guessed.
    """
    vectorizer, values = Vectorizer(encoder), Cache(cache)
    try:
        forms = read_forms(source.utterances, source.data_folder)
        measured = measure_recordings(forms, source.data_folder, vectorizer, values)
        recordings = list(measured)
    finally:
        values.close()
    found = _check(source, recordings)
    guessed, reason = guesses.guess(recordings)
    more = [*guesses.find(guessed)] if guessed else []
    return replace(
        found, findings=by_severity([*found.findings, *more]), guesses=guessed, not_guessed=reason
    )


def _check(source: Source, recordings: Sequence[Recording]) -> DataCheck:
    found = confounds.associations(recordings)
    pairs = classes.misspelt(recordings, source.left_out)
    rare = {rare for rare, _ in pairs}
    of_classes = [r for r in recordings if r.emotion not in rare]
    findings = [
        *labels.find(source),
        *classes.find_misspelt(pairs, source),
        *classes.find(of_classes),
        *parts.find(of_classes),
        *speakers.find(of_classes),
        *duplicates.find(recordings),
        *confounds.find(recordings, found),
        *sounds.find(recordings),
        *texts.find(recordings),
    ]
    return DataCheck(source, recordings, by_severity(findings), found)
