"""The plugins that a recipe names, each with the parameters of its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from camser import registry
from camser.back_ends.base import BackEnd
from camser.encoders.base import Encoder
from camser.fusion.base import Fusion

BASES = {"encoder": Encoder, "fusion": Fusion, "back_end": BackEnd}
# Parameters that were renamed: exported models of format 1 have the former names.
FORMER_KEYS = {"standardise": "standardize"}  # of any plugin's table
FORMER_NAMES = {"part_size": "projection_size", "keep": "output_modalities"}  # of camser's plugins
# The keys of an encoder's table that the fusion uses.
FUSION_KEYS = ("pooling", "standardize", "projection_size")


class Component(NamedTuple):
    """The plugin and the parameters that a name of a recipe stands for."""

    plugin: Any  # a class
    origin: dict[str, str]
    params: dict[str, Any]
    pooled: dict[str, Any]

    def build(self, name: str, *args: Any, **more: Any) -> Any:
        """An instance of the plugin."""
        try:
            return self.plugin(*args, **more, **self.params)
        except ValueError as error:
            raise ValueError(f"{self.origin['kind']} {name!r}: {error}") from error

    def table(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The table that builds it again, even if others offer a plugin of its name."""
        return {"plugin": registry.qualified_name(self.origin), **params, **self.pooled}


def load_plugin_class(kind: str, name: str) -> type:
    """A plugin's class, of a type that a model can use.

    Raises
    ------
    PluginError
        As ``registry.load``, or if it is not a subclass of ``Encoder``, ``Fusion`` or ``BackEnd``.
    """
    plugin, base = registry.load(kind, name), BASES[kind]
    if not issubclass(plugin, base):
        origin, group = registry.origin_of(kind, name), registry.GROUPS[kind]
        raise registry.PluginError(
            f"{group}: plugin {name!r} of {origin['distribution']} {origin['version']} is the "
            f"class {plugin.__module__}.{plugin.__qualname__}; it must be a subclass of "
            f"{group}.{base.__name__}"
        )
    return plugin


def class_argument(plugin: Any, num_classes: int) -> dict[str, int]:
    """The argument that a fusion which gives class scores takes beside its parameters."""
    return {"num_classes": num_classes} if getattr(plugin, "gives_scores", False) else {}


def check_parameters(plugin: type, name: str, /, *args: Any, **params: Any) -> None:
    """Raise a PluginError unless a plugin called ``name`` takes these arguments."""
    given = class_argument(plugin, 0)
    if twice := given.keys() & params:
        raise registry.PluginError(
            f"plugin {name!r}: {twice.pop()} is {params['num_classes']!r}; the labels set it, so "
            f"leave it out"
        )
    registry.check_parameters(plugin, name, *args, **given, **params)


def find_component(kind: str, name: str, tables: Mapping[str, Any], *args: Any) -> Component:
    """Look up a name's plugin, and check that it takes ``args`` and the table's parameters."""
    if name not in tables:
        raise ValueError(
            f"{name!r} is not among the {kind}s: {', '.join(tables)}."
            f"{registry.did_you_mean(name, tables)}"
        )
    if not isinstance(tables[name], Mapping) or "plugin" not in tables[name]:
        raise ValueError(
            f"{kind}s: {name!r} is {tables[name]!r}; it must name a plugin: "
            f"{{plugin: …, <its parameters>}}"
        )
    params = _with_current_names(tables[name])
    plugin_name = params.pop("plugin")
    keys = FUSION_KEYS if kind == "encoder" else ()
    pooled = {key: params.pop(key) for key in keys if key in params}
    if not isinstance(pooled.get("standardize", False), bool):
        raise ValueError(f"standardize is {pooled['standardize']!r}; allowed: true, false")
    plugin = load_plugin_class(kind, plugin_name)
    check_parameters(plugin, plugin_name, *args, **params)
    return Component(plugin, registry.origin_of(kind, plugin_name), params, pooled)


def _with_current_names(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with current names. Exported models of format 1 have former ones.

    These models name each plugin with its distribution; other tables are not translated.
    """
    distribution, _, _ = str(table["plugin"]).rpartition(":")
    if not distribution:
        return dict(table)
    is_ours = distribution == "camser"
    former = FORMER_KEYS | FORMER_NAMES if is_ours else FORMER_KEYS
    current = {former.get(name, name): value for name, value in table.items()}
    if is_ours and current.get("layer") == "mixture":
        current["layer"] = "weighted_sum"
    return current
