"""What stands after a plugin's name on the command line: its parameters."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


def read_params(text: str | None) -> dict[str, Any]:
    """A YAML mapping, as a recipe would hold it, to keyword arguments.

    Arguments
    ---------
    text : str or None
        E.g. "{hidden_size: 8}"; nothing is no parameter.

    Raises
    ------
    ValueError
        If it is something else.

    Example
    -------
    >>> read_params("{hidden_size: 8, guides: [mfcc]}")
    {'hidden_size': 8, 'guides': ['mfcc']}
    """
    try:
        params = YAML(typ="safe").load(text or "{}")
    except YAMLError as error:
        raise ValueError(f"{text!r} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(params, dict) or not all(isinstance(name, str) for name in params):
        raise ValueError(
            f"the parameters are {text!r}; write them as in a recipe: "
            f'"{{hidden_size: 8, dropout: 0.1}}"'
        )
    return params
