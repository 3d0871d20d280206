"""From the names and tables of a recipe to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from camser import registry
from camser.audio import SAMPLE_RATE
from camser.model import UtteranceEncoder

NAMED = ("modalities", "encoders", "fusion", "fusions")  # what ``check_names`` takes, in order


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
        offline, without weights.

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
    check_names(modalities, encoders, fusion, fusions)
    segment_samples = round(segment_seconds * SAMPLE_RATE)
    built, specs, rebuilt = {}, {}, {}
    for name in modalities:
        plugin, params, pooled = _split_encoder(encoders[name])
        built[name] = _build("encoder", name, plugin, **params)
        specs[name] = built[name].frame_spec(segment_samples)._replace(**pooled)
        rebuilt[name] = {"plugin": plugin, **built[name].rebuild_args(), **pooled}
    plugin, params = _split(fusions[fusion])
    fused = _build("fusion", fusion, plugin, specs, **params)
    model = UtteranceEncoder(built, fused, segment_samples, **model_params)
    model.architecture = {
        "modalities": list(modalities),
        "encoders": rebuilt,
        "fusion": fusion,
        "fusions": {fusion: dict(fusions[fusion])},
        "segment_seconds": segment_seconds,
        **model_params,
    }
    return model


def check_names(
    modalities: Sequence[str],
    encoders: Mapping[str, Mapping[str, Any]],
    fusion: str,
    fusions: Mapping[str, Mapping[str, Any]],
) -> None:
    """Raise a ValueError unless every name has a table, and its plugin takes what is in it.

    Nothing is built, so this finds mistakes before anything expensive begins. Arguments as for
    ``build_model``.
    """
    if not modalities or isinstance(modalities, str):
        raise ValueError(
            f'modalities is {modalities!r}; give a list of names, e.g. --modalities="[mfcc]"'
        )
    if len(set(modalities)) != len(modalities):
        raise ValueError(f"modalities {list(modalities)} names one twice")
    for name in modalities:
        _check_table("modality", name, "encoders", encoders)
        plugin, params, _ = _split_encoder(encoders[name])
        registry.check("encoder", plugin, **params)
    _check_table("fusion", fusion, "fusions", fusions)
    plugin, params = _split(fusions[fusion])
    registry.check("fusion", plugin, {}, **params)


def _check_table(what: str, name: str, table_name: str, table: Mapping[str, Any]) -> None:
    if name not in table:
        raise ValueError(
            f"{what} {name!r} is not among the {table_name}: {', '.join(table)}."
            f"{registry.nearest(name, table)}"
        )
    if not isinstance(table[name], Mapping) or "plugin" not in table[name]:
        raise ValueError(
            f"{table_name}: {name!r} is {table[name]!r}; it must name a plugin: "
            f"{{plugin: …, <its parameters>}}"
        )


def _split(table: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The plugin and its parameters."""
    params = dict(table)
    return params.pop("plugin"), params


def _split_encoder(table: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The plugin, its parameters, and what a fusion is told of its frames."""
    plugin, params = _split(table)
    pooled = {key: params.pop(key) for key in ("pooling", "standardise") if key in params}
    return plugin, params, pooled


def _build(kind: str, name: str, plugin: str, /, *args: Any, **params: Any) -> Any:
    try:
        return registry.build(kind, plugin, *args, **params)
    except registry.PluginError:
        raise
    except ValueError as error:
        raise ValueError(f"{kind} {name!r}: {error}") from error
