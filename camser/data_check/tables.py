"""The tables of a data check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from statistics import median

from camser.data_check.check import DataCheck
from camser.data_check.confounds import PROPERTIES
from camser.data_check.guesses import Guesses
from camser.data_check.recording import Recording, grouped
from camser.evaluation.report.format import integer, percent
from camser.evaluation.report.tables import Table

MAX_ROWS = 60  # of a table by speaker or session; the most frequent
COLUMNS = ("session", "split", "language", "gender")
MEDIANS = {  # of ``Measures``: the heading, and the digits
    "seconds": ("seconds", 2), "level_db": ("level dB", 1), "noise_db": ("noise dB", 1),
    "pitch_hz": ("pitch Hz", 0), "pitch_range": ("range st", 1),
    "energy_range_db": ("energy dB", 1), "syllable_rate": ("syllables/s", 1),
}  # fmt: skip


def tables(check: DataCheck) -> Iterator[Table]:
    """All tables, those of classes first."""
    rows = check.recordings
    yield group_table("class", rows, lambda r: r.emotion)
    yield from (form_table(rows), *_counts(rows))
    if len({r.speaker for r in rows}) > 1:
        yield group_table("speaker", rows, lambda r: r.speaker or "unknown")
    if check.associations:
        yield association_table(check)
    if check.guesses:
        yield confusion_table(check.guesses)
        yield unlikely_table(check.guesses)


def group_table(
    name: str, recordings: Sequence[Recording], key: Callable[[Recording], str]
) -> Table:
    """Numbers and medians of each class, or of each speaker."""
    groups = _frequent(grouped(recordings, key))
    other = "speakers" if name == "class" else "classes"
    count = attrgetter("speaker" if name == "class" else "emotion")
    header = [name, "recordings", "%", other, "minutes", "clipped", "no speech"]
    medians = [heading for heading, _ in MEDIANS.values()]
    lines = [
        [
            group,
            integer(len(rows)),
            percent(len(rows) / len(recordings)),
            integer(len({*map(count, rows)} - {""}) or None),
            *_amounts(rows),
            *_medians(rows),
        ]
        for group, rows in groups.items()
    ]
    caption = (
        f"By {name}. Medians over recordings: length; level where somebody speaks, and of the "
        f"quietest tenth; pitch, and its range from the 10 % to the 90 % quantile in semitones; "
        f"range of the level of voiced frames; syllables per second of speaking."
    )
    return Table(caption, [*header, *medians], lines)


def form_table(recordings: Sequence[Recording]) -> Table:
    """The forms of files by class."""
    return _crossed("file form", recordings, lambda r: str(r.form or ""))


def _counts(recordings: Sequence[Recording]) -> Iterator[Table]:
    """The recordings of each class by session, part, language, gender and speaker, if known."""
    columns = {name: attrgetter(f"utterance.{name}") for name in COLUMNS}
    for name, value in {**columns, "speaker": attrgetter("speaker")}.items():
        if any(map(value, recordings)):
            yield _crossed(name, recordings, value)


def _crossed(name: str, recordings: Sequence[Recording], key: Callable[[Recording], str]) -> Table:
    classes = sorted({r.emotion for r in recordings})
    groups = _frequent(grouped(recordings, lambda r: key(r) or "unknown"))
    counts = {group: Counter(r.emotion for r in rows) for group, rows in groups.items()}
    lines = [[group, *(integer(of[c]) for c in classes)] for group, of in counts.items()]
    return Table(f"Recordings of each class by {name}.", [name, *classes], lines)


def association_table(check: DataCheck) -> Table:
    """How well each property tells the class."""
    lines = []
    for name, found in check.associations.items():
        (emotion, told), one = found.best, PROPERTIES[name]
        shares = percent(found.accuracy), percent(told.hits), percent(told.false_alarms)
        lines.append(
            [name, shares[0], emotion, *shares[1:], f"{one.check:.1f} / {one.serious:.1f}"]
        )
    chance = percent(next(iter(check.associations.values())).chance)
    caption = (
        f"What one property tells, on recordings held out. UA: of guessing all classes; chance is "
        f"{chance} %, and less where the classes are balanced over a name. Then the class that is "
        f"told best: the share of it that is recognized, the share of others that are taken for "
        f"it, and the differences of the two from which on it is worth a look, or serious."
    )
    header = ["property", "UA", "class", "recognized", "false", "look / serious"]
    return Table(caption, header, lines)


def confusion_table(guesses: Guesses) -> Table:
    """The guesses of each class."""
    counts = guesses.confusion
    lines = [
        [name, *(f"{integer(n)} ({percent(n / of.sum(), 0)} %)" for n in of.tolist())]
        for name, of in zip(guesses.classes, counts, strict=True)
    ]
    accuracy = percent(guesses.association.accuracy)
    caption = (
        f"How hard the classes are for a simple system: what a logistic regression that knows "
        f"{guesses.others} guesses (columns) of each class. UA {accuracy} %."
    )
    return Table(caption, ["class", *guesses.classes], lines)


def unlikely_table(guesses: Guesses) -> Table:
    """The recordings whose label is unlikely."""
    lines = [
        [r.name, r.speaker or "–", r.emotion, percent(own), name, percent(probability)]
        for r, name, probability, own in guesses.unlikely()[:MAX_ROWS]
    ]
    caption = "Unlikely labels, by the same guesses: the least likely first. Probabilities in %."
    return Table(caption, ["recording", "speaker", "label", "%", "guess", "%"], lines)


def _frequent(groups: Mapping[str, list[Recording]]) -> dict[str, list[Recording]]:
    """The most frequent groups, by name."""
    names = sorted(groups, key=lambda name: (-len(groups[name]), name))[:MAX_ROWS]
    return {name: groups[name] for name in sorted(names)}


def _amounts(rows: Sequence[Recording]) -> list[str]:
    """Minutes, clipped recordings, and those without speech."""
    measured = [r.measures for r in rows if r.measures]
    if not measured:
        return ["–"] * 3
    kinds = Counter(kind for m in measured for kind, _ in m.oddities)
    silent = kinds["silent"] + kinds["no speech"] + kinds["near-empty"]
    minutes = sum(m.seconds for m in measured) / 60
    return [f"{minutes:.1f}", integer(kinds["clipped"]), integer(silent)]


def _medians(rows: Sequence[Recording]) -> Iterator[str]:
    for name, (_, digits) in MEDIANS.items():
        values = [v for r in rows if r.measures and (v := getattr(r.measures, name)) is not None]
        yield f"{median(values):.{digits}f}" if values else "–"
