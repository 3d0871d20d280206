"""Read a YAML and the files that it includes, and merge them in order.

A YAML may begin with ``include: other.yaml``, or with a list of files: paths from its own folder,
or ``camser:IEMOCAP/hparams/camser.yaml`` for a file of the recipes that ship. They come before it,
in their order, each after the files that it includes itself. A later file overrides the keys that
it has, as the command line does. A file that several include, or a copy of it, counts once,
where it comes first: a later file of a list resets nothing that it does not say itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from camser.config.command_line import SettingsError
from camser.config.overrides import Place, apply_overrides, leaves
from camser.config.recipes import PREFIX, RECIPES, yaml_names
from camser.config.values import load_yaml
from camser.registry import did_you_mean
from camser.runtime.safe_io import mismatch, read_text

MAX_YAML = 2**20  # largest size of a YAML, in bytes


class YamlFile(NamedTuple):
    """One file, without those that it includes.

    Arguments
    ---------
    name : str
        Its path from the current folder, ``camser:…`` of a recipe that ships, or its full path.
    tree : dict
        What it says itself.
    num_included : int
        How many files it includes directly.
    """

    name: str
    tree: dict
    num_included: int


def read_files(paths: Iterable[Path]) -> list[YamlFile]:
    """Files and what they include, in the order in which they are merged, each once.

    Raises
    ------
    SettingsError
        If a file cannot be read, is no mapping, or includes itself.
    """
    files: dict[Path | str, YamlFile] = {}
    for path in paths:
        _read(path, files, ())
    return list(files.values())


def _read(path: Path, files: dict[Path | str, YamlFile], including: tuple[Path, ...]) -> None:
    absolute = path.resolve()
    if absolute in including:
        raise SettingsError(f"{path} includes itself")
    try:
        text = read_text(path, MAX_YAML)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    if files.keys() & {absolute, text}:
        return
    tree = load_yaml(text, str(path))
    if tree is not None and not isinstance(tree, dict):
        raise SettingsError(f"{path}: must be a mapping of keys to values, not {tree!r:.80}")
    names = tree.pop("include") if tree and "include" in tree else []
    names = [names] if isinstance(names, str) else names
    if problem := mismatch(names, list[str], "include"):
        raise SettingsError(f"{path}: {problem}, of files")
    for name in names:
        _read(yaml_path(name, path.parent), files, (*including, absolute))
    # A copy that includes nothing is the same file, wherever it lies.
    files[absolute if names else text] = YamlFile(_shown(absolute), tree or {}, len(names))


def yaml_path(name: str, folder: Path) -> Path:
    """The path of a YAML: ``camser:PATH`` among the recipes that ship, or a path from a folder.

    Raises
    ------
    SettingsError
        If no recipe that ships has the file.
    """
    if not name.startswith(PREFIX):
        return folder / name
    names = yaml_names()
    if name not in names:
        raise SettingsError(
            f"{name:.200}: no such file; camser has: {', '.join(names)}.{did_you_mean(name, names)}"
        )
    return RECIPES / name.removeprefix(PREFIX)


def _shown(path: Path) -> str:
    if path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    recipes = RECIPES.resolve()
    return f"{PREFIX}{path.relative_to(recipes)}" if path.is_relative_to(recipes) else str(path)


class MergedFiles(NamedTuple):
    """The settings of several files.

    Arguments
    ---------
    tree : dict
        The settings.
    sources : dict of tuple to str
        The name of the file that each value is from, by its place in the tree.
    overridden : list of str
        Lines that say in which order the files were merged, and which overrides what of which.
    """

    tree: dict
    sources: dict[Place, str]
    overridden: list[str]


def merge_files(files: Sequence[YamlFile], known: Collection[str]) -> MergedFiles:
    """Merge files in order; a later one overrides what it says.

    Arguments
    ---------
    files : sequence of YamlFile
        The result of ``read_files``.
    known : collection of str
        Keys that may be new at the top level.

    Raises
    ------
    SettingsError
        If a file has a key that is unknown, or a value of another type than before.
    """
    first, *others = files
    tree, sources = first.tree, dict.fromkeys(leaves(first.tree), first.name)
    lines = [f"settings are from {', then '.join(file.name for file in files)}"]
    for file in others:
        overridden: dict[str, list[str]] = defaultdict(list)
        for place, old, new in apply_overrides(tree, file.tree, known):
            former = {sources.pop(leaf, None): None for leaf in leaves(old, place)}
            for name in filter(None, former):
                overridden[name].append(".".join(place))
            sources.update(dict.fromkeys(leaves(new, place), file.name))
        lines += [
            f"{file.name} overrides {name}: {', '.join(keys)}" for name, keys in overridden.items()
        ]
    return MergedFiles(tree, sources, lines)
