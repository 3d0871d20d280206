"""Merge overrides into a tree of settings; unknown keys are errors."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from camser.config.command_line import SettingsError
from camser.registry import did_you_mean

# Tables that accept new names: their content is checked where it is used.
OPEN_TABLES = ("encoders", "fusions", "learning_rates", "merge_labels", "data_folder", "variants")
MAX_DEPTH, MAX_NODES = 50, 100_000  # limits for a recipe
OPEN_INSIDE = ("encoders.", "fusions.", "variants.")
KINDS = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a string"),
    (list, "a list, e.g. [a, b]"),
    (Mapping, "a table, e.g. {key: value}"),
)


def apply_overrides(tree: dict, overrides: Mapping, known: Collection[str]) -> dict:
    """Put overrides into a tree, which is changed and returned.

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
    for key, value in overrides.items():
        if key not in known:
            raise SettingsError(f"no setting {key!r}.{did_you_mean(key, known)}")
        if key in tree:
            _check(tree[key], value, key)
            value = _combined(tree[key], value)
        tree[key] = value
    return tree


def _combined(old: Any, new: Any) -> Any:
    """Merge a table into the old one; an empty table, or another object, replaces it."""
    tables = isinstance(old, Mapping) and isinstance(new, Mapping) and new
    if not tables or (yaml_tag(new) and yaml_tag(new) != yaml_tag(old)):
        return new
    for key, value in new.items():
        old[key] = _combined(old.get(key), value)
    return old


def _check(old: Any, new: Any, where: str) -> None:
    """Raise a SettingsError unless ``new`` has the type of ``old``, at every depth."""
    is_open = old is None or old == "auto"
    if yaml_tag(new) or is_open or (yaml_tag(old) and not isinstance(old, Mapping)):
        return  # an object, a reference, or a setting whose type is unknown
    for kinds, name in KINDS:
        if isinstance(old, kinds):
            is_valid = isinstance(new, kinds) and isinstance(new, bool) == isinstance(old, bool)
            if not is_valid and not (new is None and kinds is str):
                raise SettingsError(f"{where} is {new!r}; it must be {name}")
            break
    if isinstance(old, Mapping):
        for key, value in new.items():
            if key in old:
                _check(old[key], value, f"{where}.{key}")
            elif (
                where not in OPEN_TABLES and not where.startswith(OPEN_INSIDE) and not yaml_tag(old)
            ):
                raise SettingsError(f"no setting {key!r} in {where}.{did_you_mean(key, old)}")


def variant_overrides(variants: Any, name: Any) -> Mapping:
    """The overrides of a variant; if ``variants`` is empty, any name is allowed.

    Raises
    ------
    SettingsError
        If there is no such variant, or ``variants`` is not a table of tables.
    """
    tables = isinstance(variants, Mapping) and all(
        isinstance(key, str) and isinstance(value, (Mapping, type(None)))
        for key, value in variants.items()
    )
    if not tables:
        raise SettingsError(
            f"variants is {variants!r:.80}; it must be a table of tables, e.g. "
            f"{{small: {{batch_size: 8}}}}"
        )
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
    sizes: dict[int, tuple[int, int]] = {}

    def measure(node: Any, depth: int) -> tuple[int, int]:
        """The number of values, and the depth."""
        if not isinstance(node, (Mapping, list, tuple)):
            return 1, 0
        if id(node) not in sizes and depth <= MAX_DEPTH:
            inside = node.values() if isinstance(node, Mapping) else node
            measured = [measure(one, depth + 1) for one in inside]
            sizes[id(node)] = (
                1 + sum(n for n, _ in measured),
                1 + max((d for _, d in measured), default=0),
            )
        if id(node) not in sizes or depth + sizes[id(node)][1] > MAX_DEPTH:
            raise SettingsError(f"{where}: nested deeper than {MAX_DEPTH}, or it contains itself")
        return sizes[id(node)]

    if measure(tree, 0)[0] > MAX_NODES:
        raise SettingsError(f"{where}: more than {MAX_NODES} values after aliases are expanded")


def yaml_tag(node: Any) -> str:
    """A YAML node's tag, e.g. "!new:torch.nn.Linear", or nothing."""
    return str(getattr(getattr(node, "tag", None), "value", None) or "")


REFERENCE = re.compile(r"<(\w[^<>]*)>")
REFERRING = ("!ref", "!copy")
Place = tuple[str, ...]


def check_references(tree: Mapping[str, Any]) -> None:
    """Raise a SettingsError if a setting refers to itself, directly or through others.

    HyperPyYAML would expand such a setting without end, or leave its text unresolved.

    Arguments
    ---------
    tree : mapping
        A recipe as ruamel.yaml loads it.

    Example
    -------
    >>> from ruamel.yaml import YAML
    >>> check_references(YAML().load("{a: {b: 1, c: !ref '<a[b]>'}}"))
    >>> check_references(YAML().load("{a: !ref '<b>', b: !ref '<a>'}"))
    Traceback (most recent call last):
    camser.config.command_line.SettingsError: settings refer to each other in a circle: a, b, a
    """
    needs: dict[Place, set[Place]] = {}
    for path, needed in _needs(tree, ()):
        needs.setdefault(path, set()).add(needed)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle = ", ".join(dict.fromkeys(path[0] for path in error.args[1][::-1]))
        circle = f"{circle}, {circle.partition(',')[0]}"
        raise SettingsError(f"settings refer to each other in a circle: {circle}") from None


def _needs(node: Any, path: Place) -> Iterator[tuple[Place, Place]]:
    """Pairs of a key path and one that it needs: its child, or a setting that it refers to."""
    if yaml_tag(node) in REFERRING:
        for name in REFERENCE.findall(str(getattr(node, "value", node))):
            yield path, tuple(key for key in re.split(r"[\[\].]+", name) if key)
    children: Any = ()
    if isinstance(node, Mapping):
        children = node.items()
    elif isinstance(node, list):
        children = enumerate(node)
    for key, child in children:
        inner = (*path, str(key))
        if path:
            yield path, inner
        yield from _needs(child, inner)
