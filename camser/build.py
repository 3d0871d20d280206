"""From the names and tables of a recipe to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from camser import registry
from camser.audio import SAMPLE_RATE
from camser.encoders.base import Encoder
from camser.model import UtteranceEncoder


def build_model(
    modalities: Sequence[str],
    encoders: Mapping[str, Mapping[str, Any]],
    fusion: str,
    fusions: Mapping[str, Mapping[str, Any]],
    segment_seconds: float,
    **params: Any,
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
    **params
        The other arguments of ``UtteranceEncoder``.

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
    _check_names(modalities, encoders, fusion, fusions)
    segment_samples = round(segment_seconds * SAMPLE_RATE)
    built = {name: _build_encoder(encoders[name], name) for name in modalities}
    specs = {name: encoder.frame_spec(segment_samples) for name, encoder in built.items()}
    fused = _build("fusion", fusions[fusion], fusion, specs)
    return UtteranceEncoder(built, fused, segment_samples, **params)


def _build_encoder(settings: Mapping[str, Any], name: str) -> Encoder:
    """The encoder, with the pooling that the recipe says in place of its own."""
    pooled = {key: settings[key] for key in ("pooling", "standardise") if key in settings}
    params = {key: value for key, value in settings.items() if key not in pooled}
    encoder = _build("encoder", params, name)
    for key, value in pooled.items():
        setattr(encoder, key, value)
    return encoder


def _build(kind: str, settings: Mapping[str, Any], name: str, *args: Any) -> Any:
    params = dict(settings)
    if "plugin" not in params:
        raise ValueError(
            f"{kind} {name!r} names no plugin; give e.g. {{plugin: …, <its parameters>}}"
        )
    plugin = params.pop("plugin")
    try:
        return registry.build(kind, plugin, *args, **params)
    except registry.PluginError:
        raise
    except ValueError as error:
        raise ValueError(f"{kind} {name!r}: {error}") from error


def _check_names(
    modalities: Sequence[str], encoders: Mapping, fusion: str, fusions: Mapping
) -> None:
    if not modalities or isinstance(modalities, str):
        raise ValueError(
            f'modalities is {modalities!r}; give a list of names, e.g. --modalities="[mfcc]"'
        )
    if len(set(modalities)) != len(modalities):
        raise ValueError(f"modalities {list(modalities)} names one twice")
    for name in modalities:
        if name not in encoders:
            raise ValueError(
                f"modality {name!r} is not among the encoders: {', '.join(encoders)}."
                f"{registry.nearest(name, encoders)}"
            )
    if fusion not in fusions:
        raise ValueError(
            f"fusion {fusion!r} is not among the fusions: {', '.join(fusions)}."
            f"{registry.nearest(fusion, fusions)}"
        )
