"""What there is to know of one plugin: where it is from, its parameters, its sizes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camser import registry
from camser.build import plugin_class
from camser.plugins import sizes
from camser.plugins.columns import aligned

INDENT = "    "


def card(kind: str, name: str, params: Mapping[str, Any]) -> str:
    """A plugin, in plain text.

    Arguments
    ---------
    kind : str
        "encoder" or "fusion".
    name : str
        As a recipe writes it.
    params : mapping
        What it is built with to know its sizes.

    Raises
    ------
    PluginError
        If it is unknown, cannot be loaded, or does not take the parameters.
    """
    point, plugin = registry.find(kind, name), plugin_class(kind, name)
    if params:
        registry.check_call(plugin, name, *sizes.PLACEHOLDERS[kind], **params)
    expected = getattr(plugin, "expected_failures", {})
    dist = registry.made_by(point)
    sections = [
        f"{kind} {point.name}, {dist.name} {dist.version}\n{_place(plugin)}",
        _indented(inspect.cleandoc(plugin.__doc__ or "no docstring")),
        _table("parameters", _parameters(kind, plugin)),
        _table("expected failures", [[check, reason] for check, reason in expected.items()]),
        _table(*sizes.of(kind, name, params)),
    ]
    return "\n\n".join(section for section in sections if section)


def _place(plugin: type) -> str:
    source = Path(inspect.getfile(plugin))
    line = inspect.getsourcelines(plugin)[1]
    return f"class {plugin.__module__}.{plugin.__qualname__}, {source}:{line}"


def _parameters(kind: str, plugin: type) -> list[list[str]]:
    """Name, type as written, and default of each; a fusion's first is the frames'."""
    takes = list(inspect.signature(plugin).parameters.values())
    rows = []
    for parameter in takes[len(sizes.PLACEHOLDERS[kind]) :]:
        empty, variadic = parameter.empty, parameter.kind.name.startswith("VAR_")
        written = parameter.annotation
        if not isinstance(written, str):
            written = "" if written is empty else inspect.formatannotation(written)
        default = "required" if parameter.default is empty else repr(parameter.default)
        name = str(parameter.replace(annotation=empty, default=empty))
        rows.append([name, written, "" if variadic else default])
    return rows


def _table(title: str, rows: list[list[str]]) -> str:
    return "\n".join([title, *aligned(rows, INDENT)]) if rows else ""


def _indented(text: str) -> str:
    return "\n".join((INDENT + line).rstrip() for line in text.splitlines())
