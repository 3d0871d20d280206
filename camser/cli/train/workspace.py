"""The working folder of ``camser train``: a recipe of your own, its runs and their report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from camser.config.recipes import PREFIX, RECIPES
from camser.data.tables.saved import save_table
from camser.runtime.files import atomic_write

SUFFIX = "-runs"
RECIPE = "recipe.yaml"
YAMLS = {"paper": "camser"}  # by preset, where the name differs
HEADER = """\
# Written by `camser train`. A run by itself: python train.py recipe.yaml --fold=0
# `camser train` goes on with the same options; with others it asks for another --output.
"""


class WorkspaceError(ValueError):
    """The working folder belongs to other options."""


class Workspace:
    """The working folder of ``camser train`` or ``camser probe``.

    Arguments
    ---------
    folder : Path
        Made if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.report = self.folder / "report"

    @classmethod
    def beside(cls, model_folder: Path) -> Workspace:
        """The working folder beside a model folder."""
        return cls(model_folder.with_name(model_folder.name + SUFFIX))

    def write(self, preset: str, settings: Mapping[str, Any], table: Mapping[str, Any]) -> None:
        """Write the recipe: its scripts, ``table.yaml`` and ``recipe.yaml``.

        Raises
        ------
        WorkspaceError
            If it has runs of other settings.
        """
        content = {
            "include": f"{PREFIX}Table/hparams/{YAMLS.get(preset, preset)}.yaml",
            "prepared_folder": str(self.folder / "prepared"),
            "output_folder": "@",
            **settings,
        }
        text = HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        folder = f"{self.folder}/<protocol>/fold<fold>-seed<seed>"
        text = text.replace("output_folder: '@'", f"output_folder: !ref '{folder}'")
        path = self.folder / RECIPE
        has_runs = path.exists() and any(self.folder.glob("*/fold*"))
        if has_runs and path.read_text(encoding="utf-8") != text:
            raise WorkspaceError(
                f"{self.folder} has runs of other options or labels (see its {RECIPE}); give "
                f"another --output, or delete it"
            )
        save_table(self.folder / "table.yaml", table)
        for script in ("train.py", "crossval.py"):
            shutil.copyfile(RECIPES / "Table" / script, self.folder / script)
        with atomic_write(path) as file:
            file.write(text)
