"""Compare the plugins that a model was trained with to the installed ones.

A model's ``plugins`` map the name of each component to its origin, as ``registry.origin_of``
returns it. They are stored in its checkpoints, and from there in results and exported models.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from camser import registry
from camser.registry import PluginError, normalize_name

Plugins = Mapping[str, Mapping[str, str]]


class PluginVersionWarning(UserWarning):
    """A model is used with another version of a plugin than in training."""


def check_installed(trained: Plugins, where: str) -> None:
    """Raise a PluginError unless all plugins of a model are installed, in any version.

    Arguments
    ---------
    trained : mapping
        Its ``plugins``; those without a ``kind`` are skipped.
    where : str
        The file that lists them, for the message.
    """
    for origin in trained.values():
        if "kind" not in origin:
            continue  # results.json need not have it; the build reports a missing plugin
        try:
            registry.find(origin["kind"], registry.qualified_name(origin))
        except PluginError as error:
            package = f"{origin['distribution']}=={origin['version']}"
            raise PluginError(
                f"{where} needs the {origin['kind']} {origin['plugin']!r} of {package}, which is "
                f"not installed: pip install {package}"
            ) from error


def version_differences(trained: Plugins, built: Plugins) -> list[str]:
    """A sentence for each component whose plugin is another one, or version, than in training.

    Arguments
    ---------
    trained : mapping
        A model's ``plugins``, from a file.
    built : mapping
        The ``plugins`` of the model that was built now.

    Example
    -------
    >>> mfcc = {"plugin": "mfcc", "distribution": "camser", "version": "0.1.0"}
    >>> version_differences({"a": mfcc}, {"a": {**mfcc, "version": "0.2.0"}})
    ["a: plugin 'mfcc' of camser 0.2.0 is installed; trained with 'mfcc' of camser 0.1.0"]
    """
    pairs = {name: (trained.get(name, now), now) for name, now in built.items()}
    return [
        f"{name}: plugin {_describe(now)} is installed; trained with {_describe(then)}"
        for name, (then, now) in pairs.items()
        if _describe(then) != _describe(now)
    ]


def _describe(origin: Mapping[str, str]) -> str:
    distribution = normalize_name(origin["distribution"])
    return f"{origin['plugin']!r} of {distribution} {origin['version']}"


def warn_version_differences(trained: Plugins, built: Plugins) -> None:
    """Issue each of the ``version_differences`` as a ``PluginVersionWarning``."""
    for difference in version_differences(trained, built):
        warnings.warn(difference, PluginVersionWarning, stacklevel=3)
