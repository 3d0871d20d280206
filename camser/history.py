"""A run's epochs as a part of its checkpoints, from which ``history.csv`` can be written again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks


@register_checkpoint_hooks
class History:
    """The epochs that are over, a row each.

    Attributes
    ----------
    rows : list of dict
        By column; each has its ``epoch``.

    Example
    -------
    >>> history = History()
    >>> for epoch in (1, 2):
    ...     history.add({"epoch": epoch})
    >>> history.rows
    [{'epoch': 1}, {'epoch': 2}]
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Add an epoch, the next one: a resumed run has the rows of its checkpoint."""
        self.rows.append(dict(row))

    @mark_as_saver
    def _save(self, path: str | Path) -> None:
        Path(path).write_text(json.dumps(self.rows), encoding="utf-8")

    @mark_as_loader
    def _recover(self, path: str | Path, end_of_epoch: bool = True) -> None:
        self.rows = json.loads(Path(path).read_text(encoding="utf-8"))
