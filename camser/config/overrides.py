"""Merge overrides into a tree of settings, and check what the tree refers to."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from ruamel.yaml.scalarbool import ScalarBoolean

from camser.config.command_line import SettingsError
from camser.config.schema import INNER_FOLDS
from camser.registry import did_you_mean
from camser.runtime.safe_io import mismatch

# Tables that accept new names: their content is checked where it is used.
OPEN_TABLES = (
    "encoders", "fusions", "back_ends", "learning_rates", "merge_labels", "data_folder", "variants",
)  # fmt: skip
WORDS = ("auto", INNER_FOLDS)  # in place of a value of another type
MAX_DEPTH, MAX_NODES = 50, 100_000  # limits for a recipe
KINDS = (
    ((bool, ScalarBoolean), "true or false"),
    ((int, float), "a number"),
    (str, "a string"),
    (list, "a list, e.g. [a, b]"),
    (Mapping, "a table, e.g. {key: value}"),
)
REFERENCE = re.compile(r"<(\w[^<>]*)>")
Place = tuple[str, ...]


class Change(NamedTuple):
    """A value that an override replaced or added; ``old`` is None where there was none."""

    place: Place
    old: Any
    new: Any


def apply_overrides(tree: dict, overrides: Mapping, known: Collection[str]) -> list[Change]:
    """Put overrides into a tree, and return what that changed.

    Arguments
    ---------
    tree : dict
        The settings to change.
    overrides : mapping
        A table is merged into the table of its name; any other value replaces the old one.
    known : collection of str
        Keys that may be new at the top level.

    Raises
    ------
    SettingsError
        If a key is unknown, at any depth, or a value has another type than the old one.
    """
    known = {*tree, *known}
    changes: list[Change] = []
    for key, value in overrides.items():
        if key not in known:
            raise SettingsError(f"no setting {key!r}.{did_you_mean(key, known)}")
        tree[key] = _merged(tree.get(key), value, (str(key),), changes)
    return changes


def _merged(old: Any, new: Any, place: Place, changes: list[Change]) -> Any:
    """Merge a table into the old one; an empty table, or another object, replaces it."""
    where, kind = ".".join(place), _kind(old)
    is_free = old in WORDS or new == INNER_FOLDS
    if kind and not is_free and new is not None and not yaml_tag(new) and _kind(new) != kind:
        raise SettingsError(f"{where} is {new!r:.80}; it must be {kind}")
    tables = isinstance(old, Mapping) and isinstance(new, Mapping) and new
    if not tables or yaml_tag(new) not in ("", yaml_tag(old)):
        if not _is_same(old, new):
            changes.append(Change(place, old, new))
        return new
    for key, value in new.items():
        if not (key in old or yaml_tag(old) or place[0] in OPEN_TABLES):
            raise SettingsError(f"no setting {key!r} in {where}.{did_you_mean(key, old)}")
        old[key] = _merged(old.get(key), value, (*place, str(key)), changes)
    return old


def _is_same(old: Any, new: Any) -> bool:
    """Whether two YAML nodes are equal; ruamel.yaml compares no tags and no references."""
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_is_same, old, new))
    value = getattr(old, "value", old) == getattr(new, "value", new)
    return value and yaml_tag(old) == yaml_tag(new)


def leaves(node: Any, place: Place = ()) -> Iterator[Place]:
    """The places of a tree that hold a value, or an empty table.

    Example
    -------
    >>> list(leaves({"a": {"b": 1, "c": {}}}))
    [('a', 'b'), ('a', 'c')]
    """
    if not isinstance(node, Mapping) or not node:
        yield place
        return
    for key, child in node.items():
        yield from leaves(child, (*place, str(key)))


def _kind(value: Any) -> str | None:
    """The name of a value's type; None if it is not known before the value is resolved."""
    if yaml_tag(value) and not isinstance(value, Mapping):
        return None
    return next((name for kind, name in KINDS if isinstance(value, kind)), None)


def variant_overrides(variants: Any, name: Any) -> Mapping:
    """The overrides of a variant; if ``variants`` is empty, any name is allowed.

    Raises
    ------
    SettingsError
        If there is no such variant, or ``variants`` is not a table of tables.
    """
    if problem := mismatch(variants, dict[str, dict[str, Any] | None], "variants"):
        raise SettingsError(f"{problem}, e.g. {{small: {{batch_size: 8}}}}")
    if name is None or not variants:
        return {}
    if name not in variants:
        raise SettingsError(
            f"variant is {name!r}; the recipe has: {', '.join(variants)}."
            f"{did_you_mean(name, variants)}"
        )
    return variants[name] or {}


def check_tree_size(tree: Any, where: str) -> None:
    """Raise a SettingsError if a tree is too deep, contains itself, or is too large.

    A YAML of a few lines can define a table of a billion entries: each alias stands for a full
    copy.
    """
    counts: dict[tuple[int, int], int] = {}

    def count(node: Any, depth: int) -> int:
        """The number of values, aliases expanded."""
        if depth > MAX_DEPTH:
            raise SettingsError(f"{where}: nested deeper than {MAX_DEPTH}, or it contains itself")
        key = id(node), depth
        if key not in counts:
            counts[key] = 1 + sum(count(child, depth + 1) for _, child in _children(node))
        return counts[key]

    if count(tree, 0) > MAX_NODES:
        raise SettingsError(f"{where}: more than {MAX_NODES} values after aliases are expanded")


def _children(node: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(node, Mapping):
        return node.items()
    return enumerate(node) if isinstance(node, (list, tuple)) else ()


def yaml_tag(node: Any) -> str:
    """A YAML node's tag, e.g. "!new:torch.nn.Linear", or nothing."""
    return str(getattr(getattr(node, "tag", None), "value", None) or "")


def references(node: Any, path: Place = ()) -> Iterator[tuple[Place, Place]]:
    """Pairs of a place in a tree and a setting that it refers to.

    Example
    -------
    >>> from ruamel.yaml import YAML
    >>> list(references(YAML().load("{a: {b: 1, c: !ref '<a[b]>'}}  # not <d>")))
    [(('a', 'c'), ('a', 'b'))]
    """
    if yaml_tag(node) in ("!ref", "!copy"):
        for name in REFERENCE.findall(str(getattr(node, "value", node))):
            yield path, tuple(re.findall(r"[^\[\].]+", name))
    for key, child in _children(node):
        yield from references(child, (*path, str(key)))


def check_references(tree: Mapping[str, Any]) -> None:
    """Raise a SettingsError if a setting refers to itself, directly or through others.

    HyperPyYAML would expand such a setting without end, or leave it unresolved.

    Example
    -------
    >>> from ruamel.yaml import YAML
    >>> check_references(YAML().load("{a: !ref '<b>', b: !ref '<a>'}"))
    Traceback (most recent call last):
    camser.config.command_line.SettingsError: settings refer to each other in a circle: a, b, a
    """
    needs: dict[Place, set[Place]] = defaultdict(set)
    for path, needed in references(tree):
        needs[path].add(needed)
        for depth in range(1, len(path)):  # a table needs what it holds
            needs[path[:depth]].add(path[: depth + 1])
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        names = ", ".join(dict.fromkeys(path[0] for path in error.args[1][::-1]))
        raise SettingsError(
            f"settings refer to each other in a circle: {names}, {names.partition(',')[0]}"
        ) from None
