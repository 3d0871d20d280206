"""From a table, or a recipe and its corpus folder, to the utterances to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from camser.config.recipes import RECIPES
from camser.config.settings import read_arguments
from camser.data.left_out import select_utterances
from camser.data.manifest import Utterance
from camser.data.prepare import CorpusScan, CorpusScanner, expected_counts, scanner_keys
from camser.data.summary import count_by_group
from camser.data.tables.columns import TableError
from camser.data.tables.read import read_table
from camser.data.tables.saved import SavedTable
from camser.data.tables.table import Table

YAML = (".yaml", ".yml")


class SourceError(ValueError):
    """A recipe cannot be looked at, or holds nothing of the classes."""


@dataclass(frozen=True)
class Source:
    """The labels to look at.

    Arguments
    ---------
    name : str
        The corpus's.
    data_folder : Path
        The base of the utterances' paths.
    utterances : list of Utterance
        Of the selected classes, merged.
    left_out : dict of str to int
        The number of utterances of each other emotion.
    problems : dict of str to int
        The number of problems of each kind.
    examples : dict of str to list of str
        The first problems of each kind.
    """

    name: str
    data_folder: Path
    utterances: list[Utterance]
    left_out: Mapping[str, int] = field(default_factory=dict)
    problems: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)


def is_recipe(source: str) -> bool:
    """Whether it is a recipe's YAML or folder, or the name of a recipe that ships."""
    path = Path(source)
    if path.exists():
        return path.suffix in YAML or (path / "train.py").is_file()
    return (RECIPES / source / "train.py").is_file()


def read_labels(
    arguments: Mapping[str, Any],
    labels: Sequence[str] | None = None,
    merge_labels: Mapping[str, str] | None = None,
) -> Source:
    """The labels of a table; rows with problems are left out, and counted.

    Arguments
    ---------
    arguments : mapping
        Of ``read_table``.
    labels, merge_labels : optional
        As for ``read_table``; by default those of ``arguments``.

    Raises
    ------
    TableError, SourceError
        If nothing is left, or nothing of the labels.
    """
    arguments = {**arguments, "allow_missing": False}
    try:
        table = read_table(**arguments)
    except TableError as error:
        if error.table is None:
            raise
        table = error.table
    options = labels or arguments.get("labels"), merge_labels or arguments.get("merge_labels")
    return source_of(table, *options)


def source_of(
    table: Table, labels: Sequence[str] | None, merge_labels: Mapping[str, str] | None
) -> Source:
    """The labels of a table that was read."""
    selected, left_out = _select(table.utterances, labels, merge_labels)
    problems = dict(table.problems.counts), dict(table.problems.first)
    return Source(table.corpus, table.data_folder, selected, left_out, *problems)


def read_recipe(
    source: str,
    data_folder: str | None = None,
    labels: Sequence[str] | None = None,
    merge_labels: Mapping[str, str] | None = None,
) -> Source:
    """The corpus that a recipe reads, with the classes of its YAML.

    Arguments
    ---------
    source : str
        A recipe's YAML, its folder, or the name of one that ships.
    data_folder : str, optional
        The corpus; by default the YAML's.
    labels, merge_labels : optional
        By default the YAML's.

    Raises
    ------
    SourceError
        If the recipe has no reader of one corpus, or the corpus nothing of the labels.
    SettingsError, CorpusError
        If its YAML is not valid, or the folder is not the corpus's.
    """
    path = Path(source) if Path(source).exists() else RECIPES / source
    yaml = path if path.suffix in YAML else _yaml(path)
    folder = next(
        (p for p in (yaml.parent, yaml.parent.parent) if (p / "train.py").is_file()), None
    )
    if folder is None:
        raise SourceError(f"{yaml}: there is no train.py in its folder, or in the one above")
    given = [f"--data_folder={data_folder}"] if data_folder else []
    values = read_arguments([str(yaml), *given]).values
    options = labels or values["labels"], merge_labels or values["merge_labels"]
    if (folder / "table.yaml").is_file():
        return read_labels(SavedTable(folder / "table.yaml").arguments(), *options)
    scanner, corpus_folder = _load_scan(folder), Path(values["data_folder"])
    scan = scanner(corpus_folder, **{key: values[key] for key in scanner_keys(scanner)})
    styles = values.get("styles")
    selected, left_out = _select(scan.utterances, *options, styles)
    unexpected = [] if styles else _unexpected(scan, selected, options[1])
    kinds = {"corpus": scan.problems, "count": unexpected}
    kinds = {kind: problems for kind, problems in kinds.items() if problems}
    counts = {kind: len(problems) for kind, problems in kinds.items()}
    return Source(values["corpus"], corpus_folder, selected, left_out, counts, kinds)


def _yaml(folder: Path) -> Path:
    names = ("recipe.yaml", "hparams/camser.yaml")
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise SourceError(f"{folder} has neither {' nor '.join(names)}; give the recipe's YAML")
    return found


def _load_scan(folder: Path) -> CorpusScanner:
    """The function ``scan`` of a recipe."""
    files = sorted(folder.glob("*_prepare.py"))
    if len(files) != 1:
        raise SourceError(
            f"{folder} has no <corpus>_prepare.py with a function scan; if it joins corpora, look "
            f"at each by its own recipe"
        )
    spec = spec_from_file_location(files[0].stem, files[0])
    assert spec is not None and spec.loader is not None, "it is a Python file"
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.scan


def _select(
    utterances: Sequence[Utterance],
    labels: Sequence[str] | None,
    merge_labels: Mapping[str, str] | None,
    styles: Sequence[str] | None = None,
) -> tuple[list[Utterance], dict[str, int]]:
    """The merged utterances of the classes, and how many there are of others."""
    merge = merge_labels or {}
    classes = labels or [merge.get(u.emotion, u.emotion) for u in utterances]
    selected, others = select_utterances(utterances, {*classes}, merge, styles)
    if not selected:
        raise SourceError(f"no recording is {labels}; there are: {', '.join(others) or 'none'}")
    return selected, dict(others.most_common())


def _unexpected(
    scan: CorpusScan, utterances: Sequence[Utterance], merge_labels: Mapping[str, str]
) -> list[str]:
    """The classes whose number is not the published one."""
    expected = expected_counts(scan, merge_labels)
    found, classes = count_by_group(utterances, expected), {u.emotion for u in utterances}
    return [
        f"{group}, {label}: {found[group, label]} of {number}"
        for group, counts in expected.items()
        for label, number in counts.items()
        if label in classes and found[group, label] != number
    ]
