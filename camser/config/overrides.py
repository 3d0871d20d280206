"""Overrides into a tree of settings: nothing is put where it is not known."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from camser.config.command_line import SettingsError
from camser.registry import did_you_mean

# Tables that take new names: what they may hold is checked where it is used.
OPEN_TABLES = ("encoders", "fusions", "learning_rates", "merge", "data_folder", "variants")
MAX_DEPTH, MAX_NODES = 50, 100_000  # of what a recipe holds
OPEN_INSIDE = ("encoders.", "fusions.", "variants.")
KINDS = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a text"),
    (list, "a list, e.g. [a, b]"),
    (Mapping, "a table, e.g. {key: value}"),
)


def apply_overrides(tree: dict, overrides: Mapping, known: Collection[str]) -> dict:
    """Put overrides into a tree, which is changed and returned.

    Arguments
    ---------
    tree : dict
        What they override.
    overrides : mapping
        A table goes into the table of its name; all else takes the place of what was there.
    known : collection of str
        Keys that may be new at the top.

    Raises
    ------
    SettingsError
        If a key is unknown, at any depth, or a value is of another kind than the one before.
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
    """A table goes into the table it names; an empty one, or another object, takes its place."""
    tables = isinstance(old, Mapping) and isinstance(new, Mapping) and new
    if not tables or (yaml_tag(new) and yaml_tag(new) != yaml_tag(old)):
        return new
    for key, value in new.items():
        old[key] = _combined(old.get(key), value)
    return old


def _check(old: Any, new: Any, where: str) -> None:
    """Raise a SettingsError unless ``new`` is of ``old``'s kind, at every depth."""
    is_open = old is None or old == "auto"
    if yaml_tag(new) or is_open or (yaml_tag(old) and not isinstance(old, Mapping)):
        return  # an object or a reference; or nothing is known of what belongs here
    for kinds, name in KINDS:
        if isinstance(old, kinds):
            is_right = isinstance(new, kinds) and isinstance(new, bool) == isinstance(old, bool)
            if not is_right and not (new is None and kinds is str):
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
    """The overrides of a variant; without a list, a variant's name is free.

    Raises
    ------
    SettingsError
        If there is no such variant, or ``variants`` is no table of tables.
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
    """Raise a SettingsError if a tree is deep, holds itself, or is vast with its aliases.

    A YAML of a few lines can name a table of a billion entries: each alias stands for a whole.
    """
    known: dict[int, tuple[int, int]] = {}

    def measure(node: Any, depth: int) -> tuple[int, int]:
        """How many values, and how deep."""
        if not isinstance(node, (Mapping, list, tuple)):
            return 1, 0
        if id(node) not in known and depth <= MAX_DEPTH:
            inside = node.values() if isinstance(node, Mapping) else node
            found = [measure(one, depth + 1) for one in inside]
            known[id(node)] = (
                1 + sum(n for n, _ in found),
                1 + max((d for _, d in found), default=0),
            )
        if id(node) not in known or depth + known[id(node)][1] > MAX_DEPTH:
            raise SettingsError(f"{where}: nested deeper than {MAX_DEPTH}, or within itself")
        return known[id(node)]

    if measure(tree, 0)[0] > MAX_NODES:
        raise SettingsError(f"{where}: more than {MAX_NODES} values, aliases written out")


def yaml_tag(node: Any) -> str:
    """A YAML node's tag, e.g. "!new:torch.nn.Linear", or nothing."""
    return str(getattr(getattr(node, "tag", None), "value", None) or "")


REFERENCE = re.compile(r"<(\w[^<>]*)>")
REFERRING = ("!ref", "!copy")
Place = tuple[str, ...]


def check_references(tree: Mapping[str, Any]) -> None:
    """Raise a SettingsError if a setting refers to itself, if only through others.

    HyperPyYAML would write out such a setting without end, or leave it as the text it is.

    Arguments
    ---------
    tree : mapping
        A recipe, as ruamel.yaml reads it.

    Example
    -------
    >>> from ruamel.yaml import YAML
    >>> check_references(YAML().load("{a: {b: 1, c: !ref '<a[b]>'}}"))
    >>> check_references(YAML().load("{a: !ref '<b>', b: !ref '<a>'}"))
    Traceback (most recent call last):
    camser.config.command_line.SettingsError: settings refer to each other in a circle: a, b, a
    """
    needs: dict[Place, set[Place]] = {}
    for place, needed in _needs(tree, ()):
        needs.setdefault(place, set()).add(needed)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle = ", ".join(dict.fromkeys(place[0] for place in error.args[1][::-1]))
        circle = f"{circle}, {circle.partition(',')[0]}"
        raise SettingsError(f"settings refer to each other in a circle: {circle}") from None


def _needs(node: Any, place: Place) -> Iterator[tuple[Place, Place]]:
    """What each place needs: what it holds, and what it refers to."""
    if yaml_tag(node) in REFERRING:
        for name in REFERENCE.findall(str(getattr(node, "value", node))):
            yield place, tuple(part for part in re.split(r"[\[\].]+", name) if part)
    children: Any = ()
    if isinstance(node, Mapping):
        children = node.items()
    elif isinstance(node, list):
        children = enumerate(node)
    for key, child in children:
        inner = (*place, str(key))
        if place:
            yield place, inner
        yield from _needs(child, inner)
