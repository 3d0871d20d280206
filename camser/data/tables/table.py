"""A table as a corpus: its rows checked, all problems listed at once, its paths made relative."""

from __future__ import annotations

import itertools
import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from camser.data.corpus_folder import CorpusFolder, why_missing
from camser.data.manifest import GENDERS, Utterance
from camser.data.prepare import CorpusScan
from camser.data.protocols import SPLITS
from camser.data.tables.columns import TableError, find_columns
from camser.data.tables.locations import common_folder, locate, real_folder
from camser.data.tables.problems import Problems
from camser.data.tables.rows import Rows

logger = logging.getLogger(__name__)
UNKNOWN = {"", "unknown", "other", "nan", "none", "na", "n/a", "-"}  # in any column but the label
GENDER = {name[:length]: name for name in GENDERS for length in (1, len(name))}
SPLIT = {"training": "train", "validation": "valid", "val": "valid", "dev": "valid"}
SPLIT |= {"development": "valid", "testing": "test", **{name: name for name in SPLITS}}


@dataclass(frozen=True)
class Table:
    """A corpus whose labels stand in a table. Called, it is the scanner that ``prepare`` takes.

    Arguments
    ---------
    corpus : str
        Its name, with which ids and speakers begin.
    data_folder : Path
        The folder of all audio files.
    utterances : list of Utterance
        By file and start.
    columns : dict of str to str
        The table's name of each column that is used.
    problems : Problems
        What is wrong with rows that are left out, or with classes.
    """

    corpus: str
    data_folder: Path
    utterances: list[Utterance]
    columns: dict[str, str]
    problems: Problems = field(default_factory=Problems)

    def __call__(self, data_folder: Path) -> CorpusScan:
        """See ``prepare.CorpusScanner``."""
        return CorpusScan(self.utterances, [])

    @property
    def labels(self) -> list[str]:
        """The emotions, sorted."""
        return sorted({u.emotion for u in self.utterances})

    @property
    def speakers_known(self) -> bool:
        """Whether each utterance has a speaker."""
        return all(u.speaker for u in self.utterances)


def build_table(
    content: Rows,
    source: str,
    corpus: str,
    columns: Mapping[str, str | None] | None = None,
    labels: Sequence[str] | None = None,
    merge_labels: Mapping[str, str] | None = None,
    allow_missing: bool = False,
) -> Table:
    """Check the rows of a table; arguments as for ``read.read_table``.

    Raises
    ------
    TableError
        If anything is wrong; it lists all problems, and has the table without these rows.
    """
    found, problems = find_columns(content.header, columns or {}, source), Problems()
    unused = [name for name in content.header if name not in found.values()]
    logger.info("%s: columns %s; not used: %s", source, found, ", ".join(unused) or "none")
    merged = merge_labels or {}

    def is_selected(emotion: str) -> bool:
        return labels is None or merged.get(emotion, emotion) in labels

    located, emotions = [], Counter[str]()  # of the valid rows, and of all
    for where, utterance in _read(content, corpus, found, is_selected, problems, emotions):
        located.append((utterance, where))
    located.sort(key=lambda pair: (pair[0].path, pair[0].start, pair[0].end or math.inf))
    utterances = [u for u, _ in located]
    for (one, first), (other, second) in itertools.pairwise(located):
        if one.id == other.id:
            differs = one.emotion != other.emotion
            labeled = f": {one.emotion!r}, {other.emotion!r}" if differs else ""
            kind = content.kind
            problem = f"{kind} {second}: the same recording as {kind} {first}{labeled}"
            problems.add(problem, "conflict" if differs else "repeated")
    _check_classes(
        Counter(u.emotion for u in utterances) if allow_missing else emotions,
        merged, labels, problems,
    )  # fmt: skip
    if not located and not problems.counts:
        problems.add("it has no rows")
    if problems.counts and not utterances:
        raise TableError(problems.message(source))
    utterances = list({u.id: u for u in utterances}.values())
    folder, paths = common_folder(real_folder(content.folder), {u.path for u in utterances})
    if folder != real_folder(content.folder):
        utterances = [
            replace(u, path=paths[u.path], id=_id(corpus, paths[u.path], u.start, u.end))
            for u in utterances
        ]
    table = Table(corpus, Path(folder), utterances, found, problems)
    if problems.counts and not allow_missing:
        raise TableError(problems.message(source), table)
    if problems.counts:
        logger.warning("%s\nrows with problems are left out", problems.message(source))
    return table


def _read(
    content: Rows,
    corpus: str,
    found: Mapping[str, str],
    is_selected: Callable[[str], bool],
    problems: Problems,
    emotions: Counter[str],
) -> Iterator[tuple[int | str, Utterance]]:
    """The valid rows, with paths relative to the table's folder where they are inside.

    The emotions of all rows are counted.
    """
    root = real_folder(content.folder)
    folder = CorpusFolder(Path(root))
    for where, values in content.rows:
        if isinstance(values, str):
            problems.add(f"{content.kind} {where}: {values}")
            continue
        row = {name: _text(values.get(own)) for name, own in found.items()}
        faults: list[str] = []
        path, exists = locate(root, row["file"])
        missing = None
        if not row["file"]:
            faults.append("the file is empty")
        elif path != path.encode(errors="replace").decode():
            faults.append("the file's name is not UTF-8, as the manifest is; rename the file")
        elif not exists and is_selected(row["emotion"]):
            path = folder.find(path) or path  # spelled in another case
            missing = why_missing(os.path.join(root, path))
        if not row["emotion"]:
            faults.append("the emotion is empty")
        emotions[row["emotion"]] += 1
        known = {k: "" if v.casefold() in UNKNOWN else v for k, v in row.items()}
        start, end = _span(known.get("start", ""), known.get("end", ""), faults)
        gender = known.get("gender", "").casefold()
        if gender and gender not in GENDER:
            faults.append(f"gender is {gender!r}; allowed: {', '.join(GENDER)}, or nothing")
        if missing:
            place = f"{content.kind} {where}, {os.path.join(root, path)}"
            problems.add(f"{place}: {missing}", "missing file")
        for fault in faults:
            problems.add(f"{content.kind} {where}: {fault}")
        if missing or faults:
            continue
        split = known.get("split", "")
        yield (
            where,
            Utterance(
                id=_id(corpus, path, start, end),
                corpus=corpus,
                path=path,
                seconds=0.0,
                speaker=f"{corpus}/{known['speaker']}" if known.get("speaker") else "",
                gender=GENDER.get(gender, ""),
                session=known.get("session", ""),
                style="",
                emotion=row["emotion"],
                text=row.get("text", ""),
                language=known.get("language", ""),
                split=SPLIT.get(split.casefold(), split),
                start=start,
                end=end,
            ),
        )


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _span(start: str, end: str, faults: list[str]) -> tuple[float, float | None]:
    try:
        begin, stop = float(start or 0), float(end) if end else None
    except ValueError:
        faults.append(f"start is {start!r}, end is {end!r}; both must be numbers, in seconds")
        return 0.0, None
    if not 0 <= begin < (math.inf if stop is None else stop) or stop == math.inf:
        faults.append(f"start is {start or 0}, end is {end}; start must be before end, in seconds")
    return begin, stop


def _id(corpus: str, path: str, start: float, end: float | None) -> str:
    span = f":{start}-{'' if end is None else end}" if start or end is not None else ""
    return f"{corpus}/{path}{span}"


def _check_classes(
    emotions: Counter[str],
    merged: Mapping[str, str],
    labels: Sequence[str] | None,
    problems: Problems,
) -> None:
    counts = Counter[str]()
    for emotion, number in emotions.items():
        counts[merged.get(emotion, emotion)] += number
    counts.pop("", None)
    for label in sorted(counts if labels is None else labels):
        if counts[label] < 2:
            number = "one utterance" if counts[label] else "no utterance"
            problems.add(
                f"emotion {label!r} has {number}; a class needs two and more: leave it out", "class"
            )
