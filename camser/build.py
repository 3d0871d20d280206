"""Build a model from the names and tables of a recipe."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from camser import registry
from camser.audio import SAMPLE_RATE
from camser.audio.windows import MAX_SEGMENT_SECONDS
from camser.back_ends.base import BackEnd
from camser.components import Component, class_argument, find_component
from camser.heads import Head, new_head
from camser.model import UtteranceEncoder
from camser.runtime.safe_io import mismatch
from camser.segments import Hops

# The arguments of ``validate_model_config``, in order.
MODEL_KEYS = ("modalities", "encoders", "fusion", "fusions")


def build_model(
    modalities: Sequence[str],
    encoders: Mapping[str, Mapping[str, Any]],
    fusion: str,
    fusions: Mapping[str, Mapping[str, Any]],
    segment_seconds: float | None,
    max_segment_seconds: float = MAX_SEGMENT_SECONDS,
    num_classes: int | None = None,
    segment_hop_seconds: Mapping[str, float] | None = None,
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
    num_classes : int, optional
        Number of emotions. Only a model that gives their scores needs it.
    segment_hop_seconds : mapping of str to float, optional
        "train" and "test": the seconds between the starts of two segments, at most
        ``segment_seconds``; by default as many, so that segments do not overlap.
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
    built_fusion = component.build(fusion, specs, **_classes(component, num_classes))
    whole = segment_seconds is None
    arguments = built, built_fusion, segment_samples
    model = UtteranceEncoder(
        *arguments,
        whole_utterances=whole,
        hop_samples=segment_hops(segment_hop_seconds, segment_seconds, segment_samples),
        num_classes=num_classes,
        **model_params,
    )
    model_params = _with_defaults(UtteranceEncoder, model_params)
    for said in ("whole_utterances", "hop_samples"):  # by segment_seconds, segment_hop_seconds
        model_params.pop(said, None)
    model.plugins = {name: component.origin for name, component in resolved.items()}
    model.architecture = {
        "modalities": list(modalities),
        "encoders": rebuilt,
        "fusion": fusion,
        "fusions": {fusion: component.table(_with_defaults(component.plugin, component.params))},
        "segment_seconds": segment_seconds,
        "max_segment_seconds": max_segment_seconds,
        "segment_hop_seconds": segment_hop_seconds,
        **model_params,
        "num_classes": num_classes if model.gives_scores or built_fusion.gives_scores else None,
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
    resolved = {name: find_component("encoder", name, encoders) for name in modalities}
    return {**resolved, fusion: find_component("fusion", fusion, fusions, {})}


def segment_hops(
    seconds: Mapping[str, float] | None, segment_seconds: float | None, segment_samples: int
) -> Hops:
    """The samples between the starts of two segments, from a recipe's ``segment_hop_seconds``."""
    if seconds is None:
        return Hops(segment_samples, segment_samples)
    hops = {name: round(value * SAMPLE_RATE) for name, value in seconds.items()}
    is_allowed = hops.keys() == {*Hops._fields} and segment_seconds is not None
    if not is_allowed or not all(1 <= hop <= segment_samples for hop in hops.values()):
        raise ValueError(
            f"segment_hop_seconds is {dict(seconds)}, segment_seconds {segment_seconds}; allowed: "
            f"{{train: …, test: …}}, each at most a segment, where segments have one length"
        )
    return Hops(**hops)


def _classes(fusion: Component, num_classes: int | None) -> dict[str, int]:
    """The argument ``num_classes`` of a fusion that gives scores; none for another one."""
    if not fusion.plugin.gives_scores:
        return {}
    if num_classes is None:
        raise ValueError(
            f"the fusion {fusion.origin['plugin']!r} gives class scores, but num_classes is not "
            f"set; give it, as recipes do: num_classes: !apply:len [!ref <labels>]"
        )
    return class_argument(fusion.plugin, num_classes)


def build_head(
    embedding_model: UtteranceEncoder, num_classes: int, hidden_size: int | None = None
) -> Head:
    """A head for embeddings of the model's size, or for the class scores that it gives.

    ``hidden_size`` is that of a classifier with a hidden layer, which a back end fits.

    Raises
    ------
    ValueError
        If it is no ``UtteranceEncoder``, or gives the scores of another number of classes.
    """
    if not isinstance(embedding_model, UtteranceEncoder):
        raise ValueError(
            f"embedding_model is of the class {type(embedding_model).__name__}; only a model from "
            f"camser.build.build_model has a head that fits, so give a classifier too"
        )
    size, gives_scores = embedding_model.embedding_size, embedding_model.gives_scores
    return new_head(size, num_classes, gives_scores, hidden_size)


def build_back_end(name: str | None, back_ends: Mapping[str, Mapping[str, Any]]) -> BackEnd | None:
    """Build the back end ``name`` of the tables of a recipe; none for None.

    Raises
    ------
    ValueError
        If the name has no table, or its plugin or a parameter is not allowed.
    """
    if name is None:
        return None
    component = find_component("back_end", name, back_ends)
    back_end = component.build(name)
    back_end.origin = component.origin
    return back_end


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
