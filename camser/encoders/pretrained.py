"""Loading a transformers checkpoint so that it is whole, in float32, or not at all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig

FREEZES = (None, "convolutions", "all")


def check_freeze(freeze: str | None, layer_drop: float | None) -> None:
    """Raise a ValueError unless ``freeze`` is known and leaves layers that can be dropped."""
    if freeze not in FREEZES:
        raise ValueError(f"freeze is {freeze!r}; allowed: all, convolutions, null")
    if freeze == "all" and layer_drop:
        raise ValueError("layer_drop needs layers that are trained; freeze is 'all'")


def resolve_config(
    source: str | None, config: dict[str, Any] | None, types: Collection[str]
) -> PretrainedConfig:
    """The checkpoint's configuration, or the one given as plain values.

    Arguments
    ---------
    source : str or None
        A hub id or a local folder.
    config : dict or None
        transformers' configuration values with their ``model_type``: random weights.
    types : collection of str
        The model types that the encoder takes.

    Raises
    ------
    ValueError
        If not exactly one of both is given, it cannot be read, is of another type, or sets what
        its type does not have.
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
        if wrong := sorted(set(map(str, values)) - _sizes(CONFIG_MAPPING[model_type])):
            raise ValueError(
                f"config: {', '.join(wrong)}: transformers' {model_type} has no such setting of "
                f"its own; leave it out"
            )
        try:
            return AutoConfig.for_model(model_type, **values)
        except Exception as error:  # transformers and huggingface_hub raise many kinds
            raise ValueError(f"config: {' '.join(str(error).split())}") from error
    assert source is not None
    _check_folder(source)
    try:
        found = AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the checkpoint {source!r} cannot be read: {error}\nGive a hub id that "
            f"this machine can reach or has in its cache, or a folder with config.json and weights"
        ) from error
    _check_type(found.model_type, types, source)
    return found


def init_from_config(make: Callable[[PretrainedConfig], Any], config: PretrainedConfig) -> Any:
    """What transformers makes of a configuration, or a ValueError: its values may be anybody's."""
    try:
        return make(config)
    except Exception as error:  # transformers and torch raise many kinds
        told = " ".join(str(error).split())
        raise ValueError(f"config: transformers makes no model of it: {told}") from error


def load_weights(cls: Any, source: str, config: PretrainedConfig) -> Any:
    """The model with the checkpoint's weights; a missing weight is an error, never random.

    Arguments
    ---------
    cls : type
        transformers' class.
    source : str
        A hub id or a local folder.
    config : PretrainedConfig
        The configuration to load with.
    """
    try:
        model, report = cls.from_pretrained(
            source, config=config, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:  # transformers and safetensors raise many kinds
        raise ValueError(f"the weights of {source!r} cannot be loaded: {error}") from error
    missing = set(report["missing_keys"]) - {"masked_spec_embed"}
    wrong = {str(key) for key in report.get("mismatched_keys", ())}
    if missing or wrong:
        raise ValueError(
            f"{source!r} does not hold the weights of {cls.__name__}: "
            f"missing {sorted(missing)[:5]}, of another size {sorted(wrong)[:5]}"
        )
    return model


def config_to_dict(config: PretrainedConfig) -> dict[str, Any]:
    """The configuration as plain values that ``resolve_config`` takes back."""
    own = _sizes(type(config))
    values = {key: value for key, value in config.to_diff_dict().items() if key in own}
    return {**values, "model_type": config.model_type}


def _sizes(cls: type[PretrainedConfig]) -> set[str]:
    """The settings that a type of model has besides those of all types.

    With the latter transformers can be told to take code, which it may fetch, in place of its own,
    and to make tables of any size. Configurations come with exports, and those from strangers.
    """
    every, of_all = (inspect.signature(c.__init__).parameters for c in (cls, PretrainedConfig))
    return {*every} - {*of_all} - {"kwargs"}


def _check_type(found: str | None, types: Collection[str], where: str) -> None:
    if found not in types:
        raise ValueError(f"{where} is of type {found!r}; allowed: {', '.join(types)}")


def _check_folder(source: str) -> None:
    """A path that does not exist must not be asked of the hub."""
    folder = Path(source)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ValueError(f"the folder {source} has no config.json; it is no checkpoint")
    elif folder.is_absolute() or source.startswith(".") or source.count("/") > 1:
        raise ValueError(f"the checkpoint folder {source} does not exist")
