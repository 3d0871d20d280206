"""Plugins: entry points turned into classes, one at a time and only when asked for.

Encoders register in the entry-point group ``camser.encoders`` and fusions in ``camser.fusion``,
the built-in ones like everybody else's. This module needs the standard library alone, so that
listing what is installed imports nothing.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from importlib import metadata
from typing import Any

GROUPS = {"encoder": "camser.encoders", "fusion": "camser.fusion"}


class PluginError(ValueError):
    """A plugin that is unknown, ambiguous, broken, or given parameters that it does not take."""


def nearest(name: str, names: Iterable[str]) -> str:
    """ " Did you mean 'x'?" for the nearest of ``names``, or nothing where none is near."""
    close = difflib.get_close_matches(str(name), [str(n) for n in names], n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def installed(kind: str) -> list[metadata.EntryPoint]:
    """The entry points of one kind (``encoder`` or ``fusion``) by name; imports none of them."""
    if kind not in GROUPS:
        raise PluginError(f"no kind of plugin {kind!r}; there are: {', '.join(GROUPS)}")
    found = {
        (point.name, point.dist.name if point.dist else "?"): point
        for point in metadata.entry_points(group=GROUPS[kind])
    }
    return [found[key] for key in sorted(found)]


def find(kind: str, name: str) -> metadata.EntryPoint:
    """The entry point called ``name``, or ``distribution:name`` where several offer the name.

    Raises
    ------
    PluginError
        If nothing, or more than one distribution, offers it.
    """
    distribution, _, short = str(name).rpartition(":")
    points = installed(kind)
    offers = [p for p in points if p.name == short and distribution in ("", p.dist.name)]
    if len(offers) > 1:
        choices = ", ".join(repr(f"{p.dist.name}:{p.name}") for p in offers)
        raise PluginError(
            f"{GROUPS[kind]}: {name!r} is offered by more than one distribution; "
            f"say which: {choices}"
        )
    if not offers:
        names = sorted({p.name for p in points})
        raise PluginError(
            f"{GROUPS[kind]}: no plugin {name!r}; installed: {', '.join(names) or 'none'}."
            f"{nearest(short, names)} Another package's plugin becomes available once it is "
            f"installed with pip into this environment."
        )
    return offers[0]


def load(kind: str, name: str) -> type:
    """The plugin's class. Only this plugin is imported.

    Raises
    ------
    PluginError
        If it is unknown, or if its import fails: the distribution and its version are named
        and the original error is chained.
    """
    point = find(kind, name)
    try:
        plugin = point.load()
    except Exception as error:
        raise PluginError(
            f"{GROUPS[kind]}: plugin {name!r} ({point.value}) of {point.dist.name} "
            f"{point.dist.version} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not inspect.isclass(plugin):
        raise PluginError(
            f"{GROUPS[kind]}: plugin {name!r} of {point.dist.name} is {plugin!r}; "
            f"an entry point must name a class"
        )
    return plugin


def build(kind: str, name: str, /, *args: Any, **params: Any) -> Any:
    """An instance of the plugin ``name``.

    Arguments
    ---------
    kind : str
        ``encoder`` or ``fusion``.
    name : str
        The entry point's name, or ``distribution:name``.
    *args, **params
        What the class takes.

    Example
    -------
    >>> build("encoder", "mfcc_bilstm", hidden_size=8).out_channels
    16
    """
    plugin = load(kind, name)
    signature = inspect.signature(plugin)
    try:
        signature.bind(*args, **params)
    except TypeError as error:
        takes = [
            p
            for p in list(signature.parameters)[len(args) :]
            if signature.parameters[p].kind
            not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        ]
        unknown = [p for p in params if p not in takes]
        hint = nearest(unknown[0], takes) if unknown else ""
        raise PluginError(
            f"plugin {name!r}: {error}; its parameters are: {', '.join(takes)}.{hint}"
        ) from error
    return plugin(*args, **params)


def provenance(kind: str, name: str) -> dict[str, str]:
    """The distribution and version that ``name`` comes from, for the files of a run."""
    point = find(kind, name)
    return {"plugin": point.name, "distribution": point.dist.name, "version": point.dist.version}
