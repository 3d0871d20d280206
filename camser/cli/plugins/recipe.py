"""Arguments of ``camser plugins``: a plugin's parameters, or a recipe and its overrides."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from hyperpyyaml import load_hyperpyyaml, resolve_references
from ruamel.yaml import YAML

from camser.build import MODEL_KEYS, validate_model_config
from camser.config.includes import yaml_path
from camser.config.recipes import RECIPES, yaml_names
from camser.config.settings import Settings, SettingsError, explain_build_errors, read_arguments
from camser.config.values import parse_value
from camser.heads import Head
from camser.model import UtteranceEncoder


def read_params(text: str | None) -> dict[str, Any]:
    """Convert a YAML mapping, as in a recipe, to keyword arguments.

    Arguments
    ---------
    text : str or None
        E.g. "{hidden_size: 8}"; None means no parameters.

    Raises
    ------
    ValueError
        If it is not such a mapping.

    Example
    -------
    >>> read_params("{hidden_size: 8, guides: [mfcc]}")
    {'hidden_size': 8, 'guides': ['mfcc']}
    """
    params = parse_value(text or "{}", "the parameters", "safe")
    if not isinstance(params, dict) or not all(isinstance(name, str) for name in params):
        raise ValueError(
            f"the parameters are {text!r}; write them as in a recipe: "
            f'"{{hidden_size: 8, dropout: 0.1}}"'
        )
    return params


BUILT = ("embedding_model", "classifier")
WITHOUT_WEIGHTS = (
    "If weights are missing, describe it with random ones: "
    '--encoders="{spectrogram: {weights: null}, '
    'wav2vec2: {source: null, config: {model_type: wav2vec2}}}"'
)


def read(argv: Sequence[str]) -> Settings:
    """The settings of a command line, as ``train.py`` reads them.

    Arguments
    ---------
    argv : sequence of str
        The YAML, from the current folder or from one of the recipes', and overrides.

    Raises
    ------
    SettingsError
        If the YAML is not found, found in several recipes, or something in it is wrong.
    """
    argv = [str(find_recipe(argv[0])), *argv[1:]]
    try:
        settings = read_arguments(argv)
    except SettingsError as error:
        if "data_folder is not set" not in str(error):
            raise
        settings = read_arguments([*argv, "--data_folder=."])  # it is not used here
    validate_model_config(*(settings.values[name] for name in MODEL_KEYS))
    return settings


def build(settings: Settings) -> tuple[UtteranceEncoder, Head]:
    """The recipe's model and its head, weights read as at the start of training.

    Raises
    ------
    ValueError
        If they cannot be built. If weights are read, the message shows how to use random ones.
    """
    tree = YAML().load(resolve_references(settings.text).getvalue())
    text = StringIO()
    # The rest of a recipe is for training: checkpoints, logs, the seed.
    YAML().dump({name: tree[name] for name in BUILT}, text)
    with explain_build_errors():
        try:
            built = load_hyperpyyaml(text.getvalue())
        except ValueError as error:
            raise ValueError(f"{error}\n{WITHOUT_WEIGHTS}") from error
    model, head = (built[name] for name in BUILT)
    if not getattr(model, "architecture", None):
        raise ValueError(
            f"embedding_model is of the class {type(model).__name__}; only a model "
            f"from camser.build.build_model can be described"
        )
    return model, head


def find_recipe(name: str) -> Path:
    """The YAML of this name: from the current folder, or of one of the recipes that ship.

    Raises
    ------
    SettingsError
        If it is not found, or found in several recipes.
    """
    if (path := yaml_path(name, Path())).is_file():
        return path
    matches = [p for f in (RECIPES, *sorted(RECIPES.glob("*"))) if (p := f / name).is_file()]
    if len(matches) == 1:
        return matches[0]
    suffix = f"/{name}" if matches else ""
    offered = [shipped for shipped in yaml_names() if shipped.endswith(suffix)]
    problem = "several recipes have it" if matches else "no such file, from here or in a recipe"
    raise SettingsError(f"{name}: {problem}; give one of: {', '.join(offered)}")
