"""Early stopping that survives an interruption."""

from __future__ import annotations

import math
from pathlib import Path

import yaml
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from speechbrain.utils.epoch_loop import EpochCounter


@register_checkpoint_hooks
class EarlyStopping(EpochCounter):
    """Counts epochs, and stops after ``patience`` of them without a better score.

    SpeechBrain's EpochCounterWithStopper forgets its state between runs; this one is saved
    in the checkpoint, so a stopped job stays stopped.

    Arguments
    ---------
    limit : int
        The maximum number of epochs.
    patience : int
        Epochs without a better score before training stops.
    min_epoch : int
        Patience is counted after this epoch.

    Example
    -------
    >>> counter = EarlyStopping(limit=100, patience=2, min_epoch=1)
    >>> [epoch for epoch in counter if [counter.update(s) for s in [[0, 1, 3, 2, 2][epoch]]]]
    [1, 2, 3, 4]
    """

    def __init__(self, limit: int, patience: int, min_epoch: int = 0) -> None:
        super().__init__(limit)
        if patience < 1:
            raise ValueError(f"patience is {patience}; allowed: 1 and more")
        self.patience, self.min_epoch = patience, min_epoch
        self.best_score, self.best_epoch = -math.inf, 0

    def update(self, score: float) -> bool:
        """Store the current epoch's score, higher is better; returns whether it is the best."""
        if score > self.best_score:
            self.best_score, self.best_epoch = float(score), self.current
        return self.best_epoch == self.current

    @property
    def should_stop(self) -> bool:
        """Whether ``patience`` epochs have passed."""
        return self.current - max(self.best_epoch, self.min_epoch) >= self.patience

    def __next__(self) -> int:
        if self.should_stop:
            raise StopIteration
        return super().__next__()

    @mark_as_saver
    def _save(self, path: str | Path) -> None:
        state = {
            "current": self.current,
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
        }
        Path(path).write_text(yaml.safe_dump(state), encoding="utf-8")

    @mark_as_loader
    def _recover(self, path: str | Path, end_of_epoch: bool = True) -> None:
        state = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        self.current = state["current"] - (0 if end_of_epoch else 1)
        self.best_score, self.best_epoch = state["best_score"], state["best_epoch"]
