"""The references of a recipe's settings: none leads back to where it began."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from camser.arguments import SettingsError
from camser.merging import tag_of

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
    camser.arguments.SettingsError: settings refer to each other in a circle: a, b, a
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
    if tag_of(node) in REFERRING:
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
