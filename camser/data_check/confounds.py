"""Findings about what tells the class but is no emotion: file form, session, noise, length, …"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from camser.data_check.association import Association, associate
from camser.data_check.finding import Finding, percent
from camser.data_check.recording import Recording, grouped
from camser.data_check.texts import plain

RECORD = "record, or select, all classes in the same way; or say beside the score what else differs"
FORM = f"{RECORD}. Converting the files hides their form, but not what it did to the sound"
BALANCE = "balance it (leave recordings out), or say so beside the score; divide by it if you can"
VOICE = (
    "it may be the emotion itself; a score of new recordings may be lower where it is not, "
    "so try augmentation (--include camser:augmentation.yaml)"
)


class Property(NamedTuple):
    """A property of recordings that may tell the class.

    Arguments
    ---------
    value : callable
        Of a recording; None where it is unknown.
    check, serious : float
        From which informedness of a class on (see ``association``) it is a finding.
    remedy : str
        What to do.
    unit : str
        Of a number; empty for names.
    """

    value: Callable[[Recording], Any]
    check: float
    serious: float
    remedy: str
    unit: str = ""


def _measured(name: str) -> Callable[[Recording], float | None]:
    return lambda r: getattr(r.measures, name) if r.measures else None


def _session(recording: Recording) -> str | None:
    u = recording.utterance
    return u.session or (u.path if u.is_cut else None)


# A name tells nothing of an emotion. A sound may: in acted corpora of one studio, single measures
# tell a class with up to .5.
PROPERTIES = {
    "file form": Property(lambda r: r.form and str(r.form), 0.2, 0.5, FORM),
    "corpus": Property(lambda r: r.utterance.corpus, 0.3, 0.6, BALANCE),
    "session": Property(_session, 0.3, 0.6, BALANCE),
    "speaker": Property(lambda r: r.speaker or None, 0.3, 0.6, BALANCE),
    "gender": Property(lambda r: r.utterance.gender or None, 0.3, 0.6, BALANCE),
    "language": Property(lambda r: r.utterance.language or None, 0.3, 0.6, BALANCE),
    "text": Property(lambda r: plain(r.utterance.text) or None, 0.3, 0.6, BALANCE),
    "noise floor": Property(_measured("noise_db"), 0.5, 0.8, RECORD, "dB"),
    "power above 4 kHz": Property(_measured("high_band_db"), 0.5, 0.8, RECORD, "dB"),
    "silence before the voice": Property(_measured("silence_before"), 0.5, 0.8, RECORD, "s"),
    "silence after the voice": Property(_measured("silence_after"), 0.5, 0.8, RECORD, "s"),
    "level": Property(_measured("level_db"), 0.4, 0.8, VOICE, "dB"),
    "length": Property(_measured("seconds"), 0.4, 0.8, VOICE, "s"),
}


def associations(recordings: Sequence[Recording]) -> dict[str, Association]:
    """How well each property tells the class, where it is known and differs."""
    emotions = [r.emotion for r in recordings]
    found = {}
    for name, one in PROPERTIES.items():
        if association := associate([one.value(r) for r in recordings], emotions):
            found[name] = association
    return found


def find(recordings: Sequence[Recording], found: Mapping[str, Association]) -> Iterator[Finding]:
    """A finding for each property that tells the class.

    Arguments
    ---------
    recordings : sequence of Recording
        All.
    found : mapping of str to Association
        Of ``associations``.
    """
    for name, association in found.items():
        one, (emotion, told) = PROPERTIES[name], association.best
        if not told.is_significant or told.informedness < one.check:
            continue
        is_serious = told.informedness >= one.serious
        severity = "serious" if is_serious else "note" if one.remedy is VOICE else "check"
        classes = grouped(recordings, lambda r: r.emotion)
        others = [r for r in recordings if r.emotion != emotion]
        yield Finding(
            f"class told by the {name}", severity,
            f"From the {name} alone, {percent(told.hits)} of {emotion} are recognized, and "
            f"{percent(told.false_alarms)} of the others are taken for it. Of {emotion}, "
            f"{_typical(classes[emotion], one)}; of the others, {_typical(others, one)}.",
            one.remedy,
            {**told._asdict(), "accuracy": association.accuracy, "chance": association.chance},
            [f"{name}: {_typical(rows, one)}" for name, rows in sorted(classes.items())],
        )  # fmt: skip


def _typical(recordings: Sequence[Recording], one: Property) -> str:
    """What most recordings have, or the median."""
    values = [value for r in recordings if (value := one.value(r)) is not None]
    if not values:
        return "it is unknown"
    if one.unit:
        return f"the median is {median(values):.3g} {one.unit}"
    (value, number), *_ = Counter(values).most_common()
    return f"{percent(number / len(values))} are {value}"
