"""Plugins: find entry points and load their classes, one at a time and only when requested.

Encoders register in the entry-point group ``camser.encoders``, fusions in ``camser.fusion`` and
back ends in ``camser.back_ends``. The built-in ones register in the same way. This module needs
only the standard library, so that listing the installed plugins imports nothing.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any

_OFFERED: list[EntryPoint] = []  # added by ``offering``
GROUPS = {
    "encoder": "camser.encoders", "fusion": "camser.fusion", "back_end": "camser.back_ends",
}  # fmt: skip


class PluginError(ValueError):
    """A plugin that is unknown, ambiguous or broken, or that does not take its parameters."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint, " Did you mean …?", with the nearest of ``names``; empty if none is near."""
    close = difflib.get_close_matches(str(name), [str(n) for n in names], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def normalize_name(distribution: str) -> str:
    """A distribution's normalized name, for comparisons (PEP 503).

    Example
    -------
    >>> normalize_name("My_Package")
    'my-package'
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()


def entry_points_of_kind(kind: str) -> list[EntryPoint]:
    """The entry points of one kind, a key of ``GROUPS``, sorted; nothing is imported."""
    if kind not in GROUPS:
        raise PluginError(f"no kind of plugin {kind!r}; allowed: {', '.join(GROUPS)}")
    points: dict[tuple[str, str], EntryPoint] = {}
    for dist in distributions():
        # An editable install can be listed twice: Python imports the first one.
        if found := _entry_points_in(dist, GROUPS[kind]):
            name = normalize_name(dist.name)
            for point in found:
                points.setdefault((point.name, name), point)
    offered = [point for point in _OFFERED if point.group == GROUPS[kind]]
    return [*(points[key] for key in sorted(points)), *offered]


@contextmanager
def offering(points: Iterable[EntryPoint]) -> Iterator[None]:
    """In this context, these entry points are found in addition to the installed ones.

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
    """A distribution's entry points in a group; none if its metadata is broken.

    An interrupted installation can leave metadata without a name, or that is not text. Nobody can
    name such a distribution, and it must not hide the plugins of others.
    """
    try:
        points = [point for point in dist.entry_points if point.group == group]
        return points if points and dist.name and dist.version else []
    except Exception:  # the standard library documents none, but raises several kinds
        return []


def distribution_of(point: EntryPoint) -> Distribution:
    """The distribution that offers an installed plugin."""
    assert point.dist is not None, "it comes from entry_points_of_kind()"
    return point.dist


def find_all(kind: str, name: str) -> list[EntryPoint]:
    """All entry points that match ``name`` or ``distribution:name``; nothing is imported."""
    distribution, _, short = str(name).rpartition(":")
    return [point for point in _entry_points_of(kind, distribution) if point.name == short]


def _entry_points_of(kind: str, distribution: str) -> list[EntryPoint]:
    """The entry points of a distribution; of all of them if its name is empty."""
    points, wanted = entry_points_of_kind(kind), normalize_name(distribution)
    return [p for p in points if not wanted or wanted == normalize_name(distribution_of(p).name)]


def find(kind: str, name: str) -> EntryPoint:
    """The entry point called ``name``, or ``distribution:name`` if several offer that name.

    Raises
    ------
    PluginError
        If no distribution offers it, or more than one does.
    """
    matches = find_all(kind, name)
    if len(matches) > 1:
        choices = ", ".join(repr(f"{distribution_of(p).name}:{p.name}") for p in matches)
        raise PluginError(
            f"{GROUPS[kind]}: {name!r} is offered by more than one distribution; "
            f"give one of: {choices}"
        )
    if not matches:
        distribution, _, short = str(name).rpartition(":")
        names = sorted({p.name for p in _entry_points_of(kind, distribution)})
        of_source = f" of {distribution}" if distribution else ""
        package = f"a version of {distribution} that has it" if distribution else "its package"
        raise PluginError(
            f"{GROUPS[kind]}: no plugin {name!r}; installed{of_source}: "
            f"{', '.join(names) or 'none'}.{did_you_mean(short, names)} "
            f"To use another plugin, install {package} with pip into this environment."
        )
    return matches[0]


def load(kind: str, name: str) -> type:
    """The plugin's class. Only this plugin is imported.

    Raises
    ------
    PluginError
        If it is unknown, its import fails (the original error is chained), or it is not a class.
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


def check_parameters(plugin: type, name: str, /, *args: Any, **params: Any) -> None:
    """Raise a PluginError unless the class called ``name`` takes these arguments."""
    signature = inspect.signature(plugin)
    try:
        signature.bind(*args, **params)
    except TypeError as error:
        known = list(signature.parameters)[len(args) :]
        unknown = [did_you_mean(p, known) for p in params if p not in known]
        raise PluginError(
            f"plugin {name!r}: {error}; its parameters are: {', '.join(known)}.{''.join(unknown)}"
        ) from error


def build(kind: str, name: str, /, *args: Any, **params: Any) -> Any:
    """An instance of the plugin ``name``.

    Example
    -------
    >>> build("encoder", "mfcc_bilstm", hidden_size=8).out_channels
    16
    """
    plugin = load(kind, name)
    check_parameters(plugin, name, *args, **params)
    return plugin(*args, **params)


def origin_of(kind: str, name: str) -> dict[str, str]:
    """The origin of a plugin, as a run stores it: kind, plugin, distribution and version."""
    point = find(kind, name)
    dist = distribution_of(point)
    return {"kind": kind, "plugin": point.name, "distribution": dist.name, "version": dist.version}


def qualified_name(origin: Mapping[str, str]) -> str:
    """The name, ``distribution:plugin``, that finds only the plugin of this ``origin_of``."""
    return f"{origin['distribution']}:{origin['plugin']}"
