"""The installed plugins, by the names that recipes use. Imports no plugin."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import redirect_stdout
from typing import NamedTuple

from camser import registry
from camser.runtime.messages import name_and_message


class Listed(NamedTuple):
    """An installed plugin; ``name`` is qualified, ``dist:name``, where several offer it."""

    kind: str
    name: str
    distribution: str
    version: str


def listed() -> list[Listed]:
    """Encoders, fusions, then back ends, sorted by name.

    Example
    -------
    >>> [plugin.name for plugin in listed() if plugin.kind == "fusion"]
    [...'concat'...]
    """
    plugins = []
    for kind in registry.GROUPS:
        points = registry.entry_points_of_kind(kind)
        offers = Counter(point.name for point in points)
        for point in points:
            dist, unique = registry.distribution_of(point), offers[point.name] == 1
            name = point.name if unique else f"{dist.name}:{point.name}"
            plugins.append(Listed(kind, name, dist.name, dist.version))
    return plugins


def kinds_of(name: str, kind: str | None = None) -> list[str]:
    """The kinds that have a plugin ``name``, or ``dist:name``.

    Arguments
    ---------
    name : str
        As a recipe writes it.
    kind : str, optional
        Search only this one.

    Raises
    ------
    PluginError
        If there is none, or several distributions offer it.
    """
    kinds = [kind] if kind else [k for k in registry.GROUPS if registry.find_all(k, name)]
    if not kinds:
        names = sorted({plugin.name for plugin in listed()})
        raise registry.PluginError(
            f"no plugin {name!r}; installed: {', '.join(names) or 'none'}."
            f"{registry.did_you_mean(name, names)}"
        )
    for found_kind in kinds:
        registry.find(found_kind, name)
    return kinds


def load_error(kind: str, name: str) -> str:
    """Why a plugin cannot be used; empty if it can. It is imported.

    Arguments
    ---------
    kind : str
        "encoder", "fusion" or "back_end".
    name : str
        As a recipe writes it.
    """
    cause: BaseException | None
    try:
        # The prints of a module must not mix with the table or the JSON.
        with redirect_stdout(sys.stderr):
            from camser.components import load_plugin_class

            load_plugin_class(kind, name)
        return ""
    except registry.PluginError as error:
        cause = error.__cause__
        if cause is None:
            return str(error)
    except (ImportError, SystemExit) as error:  # torch is missing; a module exits Python
        cause = error
    return f"cannot be imported: {name_and_message(cause)}"
