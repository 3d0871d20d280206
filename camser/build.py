"""From the names and tables of a recipe to a model."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from camser import registry
from camser.audio import SAMPLE_RATE
from camser.encoders.base import Encoder
from camser.fusion.base import Fusion
from camser.model import UtteranceEncoder

MODEL_KEYS = (
    "modalities",
    "encoders",
    "fusion",
    "fusions",
)  # what ``validate_model_config`` takes, in order
BASES = {"encoder": Encoder, "fusion": Fusion}
FUSION_KEYS = ("pooling", "standardise")  # what a table says to the fusion, not to the encoder


class _ResolvedPlugin(NamedTuple):
    """What a name of a recipe means."""

    plugin: type
    origin: dict[str, str]
    params: dict[str, Any]
    pooled: dict[str, Any]


def build_model(
    modalities: Sequence[str],
    encoders: Mapping[str, Mapping[str, Any]],
    fusion: str,
    fusions: Mapping[str, Mapping[str, Any]],
    segment_seconds: float,
    **model_params: Any,
) -> UtteranceEncoder:
    """Build what a recipe names.

    Arguments
    ---------
    modalities : sequence of str
        Names in ``encoders``, in order.
    encoders : mapping
        What each name means: ``plugin``, its parameters, and ``pooling`` and ``standardise``
        where they differ from the plugin's own.
    fusion : str
        A name in ``fusions``.
    fusions : mapping
        What each name means: ``plugin`` and its parameters.
    segment_seconds : float
        Length of a segment.
    **model_params
        The other arguments of ``UtteranceEncoder``.

    Returns
    -------
    UtteranceEncoder
        Its ``architecture`` holds, as plain values, the arguments that build the same again
        offline, without weights; its ``plugins`` say where each part comes from.

    Raises
    ------
    ValueError
        If a name, a plugin or a parameter is unknown, or the parts do not fit each other.

    Example
    -------
    >>> import torch
    >>> model = build_model(
    ...     ["mfcc"], {"mfcc": {"plugin": "mfcc_bilstm", "hidden_size": 8}},
    ...     "concat", {"concat": {"plugin": "concat"}}, segment_seconds=1.0)
    >>> model(torch.randn(2, 40000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 128])
    """
    parts = _resolve_plugins(modalities, encoders, fusion, fusions)
    segment_samples = round(segment_seconds * SAMPLE_RATE)
    built, specs, tables = {}, {}, {}
    for name in modalities:
        part = parts[name]
        built[name] = _build(name, part)
        specs[name] = built[name].frame_spec(segment_samples)._replace(**part.pooled)
        tables[name] = _rebuild_config(part, built[name].init_config())
    fused = _build(fusion, parts[fusion], specs)
    model_params = _with_defaults(UtteranceEncoder, model_params)
    model = UtteranceEncoder(built, fused, segment_samples, **model_params)
    model.plugins = {name: part.origin for name, part in parts.items()}
    settled = _with_defaults(parts[fusion].plugin, parts[fusion].params)
    model.architecture = {
        "modalities": list(modalities),
        "encoders": tables,
        "fusion": fusion,
        "fusions": {fusion: _rebuild_config(parts[fusion], settled)},
        "segment_seconds": segment_seconds,
        **model_params,
    }
    return model


def validate_model_config(
    modalities: Sequence[str],
    encoders: Mapping[str, Mapping[str, Any]],
    fusion: str,
    fusions: Mapping[str, Mapping[str, Any]],
) -> None:
    """Raise a ValueError unless every name has a table, and its plugin takes what is in it.

    Nothing is built, so this finds mistakes before anything expensive begins. Arguments as for
    ``build_model``.
    """
    _resolve_plugins(modalities, encoders, fusion, fusions)


def load_plugin_class(kind: str, name: str) -> type:
    """A plugin's class, which must be what a model can use.

    Raises
    ------
    PluginError
        As ``registry.load``, or if it is no subclass of ``Encoder`` or ``Fusion``.
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


def _resolve_plugins(
    modalities: Sequence[str],
    encoders: Mapping[str, Mapping[str, Any]],
    fusion: str,
    fusions: Mapping[str, Mapping[str, Any]],
) -> dict[str, _ResolvedPlugin]:
    """The encoders by modality, in order, and the fusion by its name."""
    is_list = bool(modalities) and not isinstance(modalities, str)
    if not is_list or not all(isinstance(name, str) for name in modalities):
        raise ValueError(
            f'modalities is {modalities!r}; give a list of names, e.g. --modalities="[mfcc]"'
        )
    if len(set(modalities)) != len(modalities):
        raise ValueError(f"modalities {list(modalities)} names one twice")
    if fusion in modalities:
        raise ValueError(f"{fusion!r} is both a modality and the fusion; give one another name")
    parts = {}
    for name in modalities:
        _check_table("modality", name, "encoders", encoders)
        parts[name] = _resolve_plugin("encoder", encoders[name])
    _check_table("fusion", fusion, "fusions", fusions)
    parts[fusion] = _resolve_plugin("fusion", fusions[fusion], {})
    return parts


def _check_table(what: str, name: str, table_name: str, table: Mapping[str, Any]) -> None:
    if name not in table:
        raise ValueError(
            f"{what} {name!r} is not among the {table_name}: {', '.join(table)}."
            f"{registry.did_you_mean(name, table)}"
        )
    if not isinstance(table[name], Mapping) or "plugin" not in table[name]:
        raise ValueError(
            f"{table_name}: {name!r} is {table[name]!r}; it must name a plugin: "
            f"{{plugin: …, <its parameters>}}"
        )


def _resolve_plugin(kind: str, table: Mapping[str, Any], *args: Any) -> _ResolvedPlugin:
    """Look up a table's plugin; with ``args`` and its parameters it can be built."""
    params = dict(table)
    name = params.pop("plugin")
    told = FUSION_KEYS if kind == "encoder" else ()
    pooled = {key: params.pop(key) for key in told if key in params}
    if not isinstance(pooled.get("standardise", False), bool):
        raise ValueError(f"standardise is {pooled['standardise']!r}; allowed: true, false")
    plugin = load_plugin_class(kind, name)
    registry.check_parameters(plugin, name, *args, **params)
    return _ResolvedPlugin(plugin, registry.origin_of(kind, name), params, pooled)


def _build(name: str, part: _ResolvedPlugin, *args: Any) -> Any:
    try:
        return part.plugin(*args, **part.params)
    except ValueError as error:
        raise ValueError(f"{part.origin['kind']} {name!r}: {error}") from error


def _rebuild_config(part: _ResolvedPlugin, params: Mapping[str, Any]) -> dict[str, Any]:
    """What builds the part again, whatever else offers a plugin of its name by then."""
    return {"plugin": registry.qualified_name(part.origin), **params, **part.pooled}


def _with_defaults(takes: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, and the plain defaults of others, which a later version may change."""
    found = {}
    for name, parameter in inspect.signature(takes).parameters.items():
        try:
            found[name] = json.loads(json.dumps(parameter.default, allow_nan=False))
        except (TypeError, ValueError):  # no default, or no plain one
            continue
    return {**found, **given}
