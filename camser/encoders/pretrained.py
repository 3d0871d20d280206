"""Loads a transformers checkpoint in float32. An incomplete checkpoint is an error."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig

from camser.runtime.messages import one_line

FREEZES = (None, "convolutions", "all")


def check_freeze(freeze: str | None, layer_drop: float | None) -> None:
    """Raise a ValueError if ``freeze`` is unknown or leaves no trained layers to drop."""
    if freeze not in FREEZES:
        raise ValueError(f"freeze is {freeze!r}; allowed: all, convolutions, null")
    if freeze == "all" and layer_drop:
        raise ValueError("layer_drop needs trained layers, but freeze is 'all'; remove one of them")


def resolve_config(
    source: str | None, config: dict[str, Any] | None, types: Collection[str]
) -> PretrainedConfig:
    """The checkpoint's configuration, or the one in ``config``.

    Arguments
    ---------
    source : str or None
        A hub id or a local folder.
    config : dict or None
        transformers' configuration values and their ``model_type``, for random weights.
    types : collection of str
        The model types that the encoder supports.

    Raises
    ------
    ValueError
        If both or none are given. If the one given cannot be read, is of another type, or has a
        setting that its type does not have.
    """
    if (source is None) == (config is None):
        raise ValueError(
            f"give either source (a hub id or a folder: pretrained weights) or config "
            f"(a mapping with model_type: random weights); got source={source!r}, config={config!r}"
        )
    if config is not None:
        model_type = config.get("model_type")
        _check_type(model_type, types, "config")
        values = {key: value for key, value in config.items() if key != "model_type"}
        if unknown := sorted(set(map(str, values)) - _own_settings(CONFIG_MAPPING[model_type])):
            raise ValueError(
                f"config: {', '.join(unknown)}: transformers' {model_type} has no such setting of "
                f"its own; remove it"
            )
        try:
            return AutoConfig.for_model(model_type, **values)
        except Exception as error:  # transformers and huggingface_hub raise many types
            raise ValueError(f"config: {one_line(error)}") from error
    assert source is not None
    _check_folder(source)
    try:
        checkpoint_config = AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the checkpoint {source!r} cannot be read: {error}\nGive a hub id that "
            f"this machine can reach or has in its cache, or a folder with config.json and weights"
        ) from error
    _check_type(checkpoint_config.model_type, types, source)
    return checkpoint_config


def init_from_config(make: Callable[[PretrainedConfig], Any], config: PretrainedConfig) -> Any:
    """Build a transformers model. Untrusted configuration values may fail: a ValueError."""
    try:
        return make(config)
    except Exception as error:  # transformers and torch raise many types
        raise ValueError(
            f"config: transformers cannot build a model from it: {one_line(error)}"
        ) from error


def load_weights(cls: Any, source: str, config: PretrainedConfig) -> Any:
    """The model with the checkpoint's weights. A missing weight is an error, never random.

    Arguments
    ---------
    cls : type
        The transformers class of the model.
    source : str
        A hub id or a local folder.
    config : PretrainedConfig
        The configuration to load with.
    """
    try:
        model, report = cls.from_pretrained(
            source, config=config, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:  # transformers and safetensors raise many types
        raise ValueError(f"the weights of {source!r} cannot be loaded: {error}") from error
    missing = set(report["missing_keys"]) - {"masked_spec_embed"}
    mismatched = {str(key) for key in report.get("mismatched_keys", ())}
    if missing or mismatched:
        raise ValueError(
            f"{source!r} does not hold the weights of {cls.__name__}: "
            f"missing {sorted(missing)[:5]}, of another size {sorted(mismatched)[:5]}"
        )
    return model


def config_to_dict(config: PretrainedConfig) -> dict[str, Any]:
    """The configuration as plain values, as ``resolve_config`` accepts them."""
    own = _own_settings(type(config))
    values = {key: value for key, value in config.to_diff_dict().items() if key in own}
    return {**values, "model_type": config.model_type}


def _own_settings(cls: type[PretrainedConfig]) -> set[str]:
    """The settings of a model type, without those that all types share.

    The shared settings can make transformers run other code than its own, which it may download.
    They can also make it build tables of any size. Configurations come with exported models, and
    these may be untrusted.
    """
    own, shared = (inspect.signature(c.__init__).parameters for c in (cls, PretrainedConfig))
    return {*own} - {*shared} - {"kwargs"}


def _check_type(model_type: str | None, types: Collection[str], origin: str) -> None:
    if model_type not in types:
        raise ValueError(f"{origin} is of type {model_type!r}; allowed: {', '.join(types)}")


def _check_folder(source: str) -> None:
    """A path that does not exist must not be requested from the hub."""
    folder = Path(source)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ValueError(f"the folder {source} has no config.json; give a checkpoint folder")
    elif folder.is_absolute() or source.startswith(".") or source.count("/") > 1:
        raise ValueError(f"the checkpoint folder {source} does not exist")
