"""Where the recipes lie that ship with camser, and the names of their YAMLs. Standard library only.

A wheel has the recipes in the package; in a checkout they lie beside it.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_INSTALLED = _PACKAGE / "recipes"
RECIPES = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "recipes"
PREFIX = "camser:"


def yaml_names() -> list[str]:
    """All YAMLs that ship, as ``include`` takes them: ``camser:IEMOCAP/hparams/camser.yaml``."""
    files = [*RECIPES.glob("*.yaml"), *RECIPES.glob("*/hparams/*.yaml")]
    return sorted(f"{PREFIX}{path.relative_to(RECIPES).as_posix()}" for path in files)
