"""Build a model from the names and tables of a recipe."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from camser import registry
from camser.audio import SAMPLE_RATE
from camser.back_ends.base import BackEnd
from camser.encoders.base import Encoder
from camser.fusion.base import Fusion
from camser.model import EmotionHead, UtteranceEncoder
from camser.runtime.safe_io import mismatch

# The arguments of ``validate_model_config``, in order.
MODEL_KEYS = ("modalities", "encoders", "fusion", "fusions")
BASES = {"encoder": Encoder, "fusion": Fusion, "back_end": BackEnd}
# Parameters that were renamed: exported models of format 1 have the former names.
FORMER_KEYS = {"standardise": "standardize"}  # of any plugin's table
FORMER_NAMES = {"part_size": "projection_size", "keep": "output_modalities"}  # of camser's plugins
# The keys of an encoder's table that the fusion uses.
FUSION_KEYS = ("pooling", "standardize", "projection_size")
MAX_SEGMENT_SECONDS = 30.0  # of segments that are whole utterances; Whisper takes no longer ones


class Component(NamedTuple):
    """The plugin and the parameters that a name of a recipe stands for."""

    plugin: type
    origin: dict[str, str]
    params: dict[str, Any]
    pooled: dict[str, Any]

    def build(self, name: str, *args: Any) -> Any:
        """An instance of the plugin."""
        try:
            return self.plugin(*args, **self.params)
        except ValueError as error:
            raise ValueError(f"{self.origin['kind']} {name!r}: {error}") from error

    def table(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The table that builds it again, even if others offer a plugin of its name."""
        return {"plugin": registry.qualified_name(self.origin), **params, **self.pooled}


def build_model(
    modalities: Sequence[str],
    encoders: Mapping[str, Mapping[str, Any]],
    fusion: str,
    fusions: Mapping[str, Mapping[str, Any]],
    segment_seconds: float | None,
    max_segment_seconds: float = MAX_SEGMENT_SECONDS,
    **model_params: Any,
) -> UtteranceEncoder:
    """Build the model that a recipe describes.

    Arguments
    ---------
    modalities : sequence of str
        Names in ``encoders``, in order.
    encoders : mapping
        The table of each name: ``plugin``, its parameters, and ``pooling``, ``standardize`` and
        ``projection_size`` where they differ from the defaults of the plugin or of the fusion.
    fusion : str
        A name in ``fusions``.
    fusions : mapping
        The table of each name: ``plugin`` and its parameters.
    segment_seconds : float or None
        Length of a segment. None: an utterance is one segment of its own length, up to
        ``max_segment_seconds``; only a longer one is cut.
    max_segment_seconds : float
        The length of the longest segment where they have their utterances' lengths. Without
        ``mask_padding``, all segments are padded to it.
    **model_params
        The other arguments of ``UtteranceEncoder``. Arguments that were stored before format 3 lack
        ``preemphasis_over``; their model computes its features as it did then.

    Returns
    -------
    UtteranceEncoder
        Its ``architecture`` holds plain values: the arguments that build the same model again,
        offline and without weights. Its ``plugins`` hold the origin of each component.

    Raises
    ------
    ValueError
        If a name, a plugin or a parameter is unknown, or the components do not fit together.

    Example
    -------
    >>> import torch
    >>> model = build_model(
    ...     ["mfcc"], {"mfcc": {"plugin": "mfcc_bilstm", "hidden_size": 8}},
    ...     "concat", {"concat": {"plugin": "concat"}}, segment_seconds=1.0)
    >>> model(torch.randn(2, 40000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 128])
    """
    resolved = validate_model_config(modalities, encoders, fusion, fusions)
    tables = [*(encoders[name] for name in modalities), fusions[fusion]]
    # Only models stored before format 3 lack it; they name each plugin with its distribution.
    if "preemphasis_over" not in model_params and all(":" in str(t["plugin"]) for t in tables):
        model_params["preemphasis_over"] = "segment"
        _use_former_references(resolved)
    longest = max_segment_seconds if segment_seconds is None else segment_seconds
    segment_samples = round(longest * SAMPLE_RATE)
    built, specs, rebuilt = {}, {}, {}
    for name in modalities:
        component = resolved[name]
        built[name] = component.build(name)
        specs[name] = built[name].frame_spec(segment_samples)._replace(**component.pooled)
        rebuilt[name] = component.table(built[name].init_config())
    component = resolved[fusion]
    built_fusion = component.build(fusion, specs)
    whole = segment_seconds is None
    arguments = built, built_fusion, segment_samples
    model = UtteranceEncoder(*arguments, whole_utterances=whole, **model_params)
    model_params = _with_defaults(UtteranceEncoder, model_params)
    del model_params["whole_utterances"]  # segment_seconds says it
    model.plugins = {name: component.origin for name, component in resolved.items()}
    model.architecture = {
        "modalities": list(modalities),
        "encoders": rebuilt,
        "fusion": fusion,
        "fusions": {fusion: component.table(_with_defaults(component.plugin, component.params))},
        "segment_seconds": segment_seconds,
        "max_segment_seconds": max_segment_seconds,
        **model_params,
    }
    return model


def validate_model_config(
    modalities: Sequence[str],
    encoders: Mapping[str, Mapping[str, Any]],
    fusion: str,
    fusions: Mapping[str, Mapping[str, Any]],
) -> dict[str, Component]:
    """The plugins of a model and their parameters: the modalities in order, then the fusion.

    Nothing is built, so mistakes are found before anything expensive begins. Arguments as for
    ``build_model``.

    Raises
    ------
    ValueError
        If a name has no table, or its plugin is unknown or does not take a parameter.
    """
    if not modalities or mismatch(modalities, list[str]):
        raise ValueError(
            f'modalities is {modalities!r}; give a list of names, e.g. --modalities="[mfcc]"'
        )
    names = [*modalities, fusion]
    if len(set(names)) < len(names):
        raise ValueError(f"{names} are the modalities and the fusion; give each a name of its own")
    resolved = {name: _component("encoder", name, encoders) for name in modalities}
    return {**resolved, fusion: _component("fusion", fusion, fusions, {})}


def build_head(embedding_model: UtteranceEncoder, num_classes: int) -> EmotionHead:
    """A head for embeddings of the model's size."""
    return EmotionHead(embedding_model.embedding_size, num_classes)


def build_back_end(name: str | None, back_ends: Mapping[str, Mapping[str, Any]]) -> BackEnd | None:
    """Build the back end ``name`` of the tables of a recipe; none for None.

    Raises
    ------
    ValueError
        If the name has no table, or its plugin or a parameter is not allowed.
    """
    if name is None:
        return None
    component = _component("back_end", name, back_ends)
    back_end = component.build(name)
    back_end.origin = component.origin
    return back_end


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


def _component(kind: str, name: str, tables: Mapping[str, Any], *args: Any) -> Component:
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
    registry.check_parameters(plugin, plugin_name, *args, **params)
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


def _use_former_references(resolved: Mapping[str, Component]) -> None:
    """Before format 3, 0 dB was the loudest of the spectrogram's kept bins, not of all bins."""
    for component in resolved.values():
        is_spectrogram = registry.qualified_name(component.origin) == "camser:spectrogram_alexnet"
        if is_spectrogram and component.params.get("reference", "segment") == "segment":
            component.params["reference"] = "kept_bins"


def _with_defaults(cls: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments and the other plain defaults, which a later version may change."""
    defaults = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        try:
            defaults[name] = json.loads(json.dumps(parameter.default, allow_nan=False))
        except (TypeError, ValueError):  # no default, or not a plain value
            continue
    return {**defaults, **arguments}
