"""The plugins that a model was trained with, held against those that are here now.

A model's ``plugins`` say where each of its parts comes from, by the part's name, as
``registry.provenance`` does. They are in its checkpoints, and from there in results and exports.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import metadata

from camser import registry
from camser.registry import PluginError, normalize_name

Plugins = Mapping[str, Mapping[str, str]]


class PluginVersionWarning(UserWarning):
    """A model is used with a plugin of another version than it was trained with."""


def check_installed(trained: Plugins, where: str) -> None:
    """Raise a PluginError unless all that a model was trained with is here, in any version.

    Arguments
    ---------
    trained : mapping
        Its ``plugins``; one whose kind is not told is passed over.
    where : str
        The file that says so.
    """
    for origin in trained.values():
        if "kind" not in origin:
            continue  # in results of the first versions: the build will miss it
        try:
            registry.find(origin["kind"], registry.qualified_name(origin))
        except PluginError as error:
            package = origin["distribution"]
            raise PluginError(
                f"{where} needs the {origin['kind']} {origin['plugin']!r} of the package "
                f"{package}, {_state(package)}: pip install {package}=={origin['version']}"
            ) from error


def _state(package: str) -> str:
    try:
        return f"whose installed version, {metadata.version(package)}, has none of that name"
    except metadata.PackageNotFoundError:
        return "which is not installed"


def version_differences(trained: Plugins, built: Plugins) -> list[str]:
    """A sentence for each part that another version built than the one that trained it.

    Arguments
    ---------
    trained : mapping
        What a file says of a model's ``plugins``.
    built : mapping
        The ``plugins`` of the model as it was built now.

    Example
    -------
    >>> mfcc = {"plugin": "mfcc_bilstm", "distribution": "camser", "version": "0.1.0"}
    >>> version_differences({"mfcc": mfcc}, {"mfcc": {**mfcc, "version": "0.2.0"}})
    ["mfcc: plugin 'mfcc_bilstm' of camser 0.2.0 is installed; this model was trained with 0.1.0"]
    """
    found = []
    for name, now in built.items():
        then = trained.get(name, now)
        is_other = _identity(then) != _identity(now)
        if is_other or then["version"] != now["version"]:
            whose = f"{then['plugin']!r} of {then['distribution']} " if is_other else ""
            found.append(
                f"{name}: plugin {now['plugin']!r} of {now['distribution']} {now['version']} is "
                f"installed; this model was trained with {whose}{then['version']}"
            )
    return found


def _identity(origin: Mapping[str, str]) -> tuple[str, str]:
    return normalize_name(origin["distribution"]), origin["plugin"]


def warn_version_differences(trained: Plugins, built: Plugins) -> None:
    """Give each of the ``version_differences`` as a ``PluginVersionWarning``."""
    for told in version_differences(trained, built):
        warnings.warn(told, PluginVersionWarning, stacklevel=3)
