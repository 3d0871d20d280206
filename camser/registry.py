"""Plugins: entry points turned into classes, one at a time and only when asked for.

Encoders register in the entry-point group ``camser.encoders`` and fusions in ``camser.fusion``,
the built-in ones like everybody else's. This module needs the standard library alone, so that
listing what is installed imports nothing.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any

_OFFERED: list[EntryPoint] = []  # by ``offering``
GROUPS = {"encoder": "camser.encoders", "fusion": "camser.fusion"}


class PluginError(ValueError):
    """A plugin that is unknown, ambiguous, broken, or given parameters that it does not take."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint, " Did you mean …?", at the nearest of ``names``; empty where none is near."""
    close = difflib.get_close_matches(str(name), [str(n) for n in names], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def normalize_name(distribution: str) -> str:
    """A distribution's name as two of them are compared (PEP 503).

    Example
    -------
    >>> normalize_name("My_Package")
    'my-package'
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()


def entry_points_of_kind(kind: str) -> list[EntryPoint]:
    """The entry points of one kind (``encoder`` or ``fusion``), sorted; imports none of them."""
    if kind not in GROUPS:
        raise PluginError(f"no kind of plugin {kind!r}; there are: {', '.join(GROUPS)}")
    found: dict[tuple[str, str], EntryPoint] = {}
    for dist in distributions():
        # A checkout installed in place can be found twice: the first one is imported.
        for point in _entry_points_in(dist, GROUPS[kind]):
            found.setdefault((point.name, normalize_name(dist.name)), point)
    offered = [point for point in _OFFERED if point.group == GROUPS[kind]]
    return [*(found[key] for key in sorted(found)), *offered]


@contextmanager
def offering(points: Iterable[EntryPoint]) -> Iterator[None]:
    """While this lasts, these entry points are found beside those that are installed.

    Arguments
    ---------
    points : iterable of EntryPoint
        Each with its ``group``, ``name``, ``dist`` and ``load``.
    """
    added = list(points)
    _OFFERED.extend(added)
    try:
        yield
    finally:
        del _OFFERED[len(_OFFERED) - len(added) :]


def _entry_points_in(dist: Distribution, group: str) -> list[EntryPoint]:
    """A distribution's entry points in a group; none where its metadata is broken.

    What an interrupted installation leaves can have no name, or be no text at all. Nobody can name
    that, and it must not keep others from theirs.
    """
    try:
        found = [point for point in dist.entry_points if point.group == group]
        return found if found and dist.name and dist.version else []
    except Exception:  # the standard library promises none, and raises several kinds
        return []


def distribution_of(point: EntryPoint) -> Distribution:
    """The distribution that offers an installed plugin."""
    assert point.dist is not None, "it comes from installed()"
    return point.dist


def find_all(kind: str, name: str) -> list[EntryPoint]:
    """All that ``name``, or ``distribution:name``, can mean; imports none of it."""
    distribution, _, short = str(name).rpartition(":")
    return [point for point in _of(kind, distribution) if point.name == short]


def _of(kind: str, distribution: str) -> list[EntryPoint]:
    """What a distribution offers; without one, what all do."""
    points, wanted = entry_points_of_kind(kind), normalize_name(distribution)
    return [p for p in points if wanted in ("", normalize_name(distribution_of(p).name))]


def find(kind: str, name: str) -> EntryPoint:
    """The entry point called ``name``, or ``distribution:name`` where several offer the name.

    Raises
    ------
    PluginError
        If nothing, or more than one distribution, offers it.
    """
    found = find_all(kind, name)
    if len(found) > 1:
        choices = ", ".join(repr(f"{distribution_of(p).name}:{p.name}") for p in found)
        raise PluginError(
            f"{GROUPS[kind]}: {name!r} is offered by more than one distribution; "
            f"say which: {choices}"
        )
    if not found:
        distribution, _, short = str(name).rpartition(":")
        names = sorted({p.name for p in _of(kind, distribution)})
        of, whose, what = "", "Another package's plugin", "that package"
        if distribution:
            of, whose = f" of {distribution}", f"A plugin of {distribution}"
            what = "a version that has it"
        raise PluginError(
            f"{GROUPS[kind]}: no plugin {name!r}; installed{of}: {', '.join(names) or 'none'}."
            f"{did_you_mean(short, names)} {whose} is there once {what} is installed, by pip, into "
            f"this environment."
        )
    return found[0]


def load(kind: str, name: str) -> type:
    """The plugin's class. Only this plugin is imported.

    Raises
    ------
    PluginError
        If it is unknown, its import fails (the original error is chained), or it is no class.
    """
    point = find(kind, name)
    dist = distribution_of(point)
    origin = f"{GROUPS[kind]}: plugin {name!r} of {dist.name} {dist.version}"
    try:
        plugin = point.load()
    except Exception as error:
        raise PluginError(
            f"{origin} cannot be imported from {point.value}: {type(error).__name__}: {error}"
        ) from error
    if not inspect.isclass(plugin):
        raise PluginError(f"{origin} is {plugin!r}; an entry point must name a class")
    return plugin


def check_plugin_parameters(kind: str, name: str, /, *args: Any, **params: Any) -> type:
    """The plugin's class, after checking that it takes these arguments and parameters.

    Raises
    ------
    PluginError
        As ``load``, or if the class does not take them.
    """
    plugin = load(kind, name)
    check_parameters(plugin, name, *args, **params)
    return plugin


def check_parameters(plugin: type, name: str, /, *args: Any, **params: Any) -> None:
    """Raise a PluginError unless the class called ``name`` takes these."""
    signature = inspect.signature(plugin)
    try:
        signature.bind(*args, **params)
    except TypeError as error:
        takes = list(signature.parameters)[len(args) :]
        unknown = [did_you_mean(p, takes) for p in params if p not in takes]
        raise PluginError(
            f"plugin {name!r}: {error}; its parameters are: {', '.join(takes)}.{''.join(unknown)}"
        ) from error


def build(kind: str, name: str, /, *args: Any, **params: Any) -> Any:
    """An instance of the plugin ``name``.

    Example
    -------
    >>> build("encoder", "mfcc_bilstm", hidden_size=8).out_channels
    16
    """
    return check_plugin_parameters(kind, name, *args, **params)(*args, **params)


def origin_of(kind: str, name: str) -> dict[str, str]:
    """Where ``name`` comes from: kind, plugin, distribution and version, for the files of a run."""
    point = find(kind, name)
    dist = distribution_of(point)
    found = {"distribution": dist.name, "version": dist.version}
    return {"kind": kind, "plugin": point.name, **found}


def qualified_name(origin: Mapping[str, str]) -> str:
    """The name, ``distribution:plugin``, that finds what ``origin_of`` told and nothing else."""
    return f"{origin['distribution']}:{origin['plugin']}"
