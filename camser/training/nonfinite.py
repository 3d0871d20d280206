"""Optimizer steps that are skipped unless all is finite, and losses that are fetched later.

A step that reads a number from the device waits until all earlier work is done. The device then
waits for the next step. So the device itself decides whether gradients are finite, and losses are
fetched together, once in a while.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

logger = logging.getLogger(__name__)
STEPS_BETWEEN_FETCHES = 20  # so that the bar moves, and errors are known within seconds


class NonFiniteError(ValueError):
    """Loss or gradients are not finite, step after step."""


def backward_or_nan(loss: Tensor) -> None:
    """Compute the gradients of a loss; they are NaN where it is not finite.

    So every process of a distributed run skips the step that one of them cannot take.
    """
    loss.backward(torch.where(loss.detach().isfinite(), 1.0, math.nan).to(loss.dtype))


def clip_and_step(
    optimizers: Iterable[Optimizer], scaler: torch.GradScaler, max_norm: float
) -> Tensor:
    """Clip the gradients of each optimizer and step all, unless one gradient is not finite.

    Optimizers that are not fused cannot check this on the device, so for them the host waits.

    Arguments
    ---------
    optimizers : iterable of Optimizer
        One for each component of the model.
    scaler : GradScaler
        If it is enabled (fp16), it searches for a suitable scale. It does not step the optimizers,
        because it would step each one separately.
    max_norm : float
        The largest norm of an optimizer's gradients; ``math.inf``: they are not clipped.

    Returns
    -------
    Tensor
        1.0 if the step was skipped, else 0.0, on the device. ``LossTracker`` decides whether that
        is an error, or a scaler's search.
    """
    norms, optimizers = [], list(optimizers)
    for optimizer in optimizers:
        scaler.unscale_(optimizer)
        params = [p for group in optimizer.param_groups for p in group["params"]]
        params = [p for p in params if p.grad is not None]
        if params:
            norms.append(get_total_norm([p.grad for p in params]))
        if params and math.isfinite(max_norm):
            clip_grads_with_norm_(params, max_norm, norms[-1])
    skipped = 1.0 - torch.stack(norms).isfinite().all().float()
    for optimizer in optimizers:
        _step_unless(skipped, optimizer)
        optimizer.zero_grad(set_to_none=True)
    scaler.update()
    return skipped


def _step_unless(skipped: Tensor, optimizer: Any) -> None:
    if all(group.get("fused") for group in optimizer.param_groups):
        optimizer.found_inf = skipped  # as GradScaler passes it
        try:
            optimizer.step()
        finally:
            del optimizer.found_inf
    elif not skipped.item():
        optimizer.step()


class LossTracker:
    """Losses that stay on the device until they are fetched, all at once.

    Arguments
    ---------
    patience : int
        Steps in a row that may be skipped because something is not finite.
    scaler : GradScaler
        If it is enabled (fp16), steps that it skips to search for its scale are not counted.

    Attributes
    ----------
    skipped : int
        The number of skipped steps, as far as they are fetched.

    Example
    -------
    >>> losses = LossTracker(patience=3, scaler=torch.GradScaler(enabled=False))
    >>> losses.add(1, ["a"], torch.tensor(2.0), torch.tensor(0.0))
    >>> losses.add(2, ["b"], torch.tensor(4.0), torch.tensor(0.0))
    >>> losses.fetch(mean=0.0)
    3.0
    """

    def __init__(self, patience: int, scaler: torch.GradScaler) -> None:
        self.patience, self.scaler = patience, scaler
        self.skipped = 0
        self.pending: list[tuple[int, Sequence[str], Tensor, Tensor | None]] = []
        self._unstepped: list[tuple[Sequence[str], bool]] = []
        self._in_a_row: list[list[str]] = []

    def add(self, number: int, ids: Sequence[str], loss: Tensor, skipped: Tensor | None) -> None:
        """Add a batch, without waiting for it.

        Arguments
        ---------
        number : int
            The number of the batch in the epoch, from 1.
        ids : sequence of str
            The ids of its items.
        loss : Tensor
            Its loss, detached, [].
        skipped : Tensor or None
            What ``clip_and_step`` returned; None where gradients are still being accumulated.
        """
        self.pending.append((number, ids, loss, skipped))

    @property
    def should_fetch(self) -> bool:
        """Whether it is time to fetch; on a CPU always, where there is nothing to wait for."""
        on_host = any(loss.device.type == "cpu" for _, _, loss, _ in self.pending)
        return on_host or len(self.pending) >= STEPS_BETWEEN_FETCHES

    def fetch(self, mean: float) -> float:
        """Fetch pending losses, log skipped steps, and update the epoch's mean loss.

        Arguments
        ---------
        mean : float
            The mean over the earlier batches.

        Raises
        ------
        NonFiniteError
            If more steps in a row than the patience allows were skipped, or fp16 has no suitable
            scale.
        """
        pending, self.pending = self.pending, []
        if not pending:
            return mean
        if self.scaler.get_scale() < 1:
            raise NonFiniteError(
                f"gradients are not finite in fp16 at any scale (now {self.scaler.get_scale():.1e})"
                f"; give a lower learning_rate, a max_grad_norm, or --precision=bf16 or fp32"
            )
        losses = torch.stack([loss for _, _, loss, _ in pending]).tolist()
        for (number, ids, _, skipped), loss in zip(pending, losses, strict=True):
            is_finite = math.isfinite(loss)
            if is_finite:
                mean += (loss - mean) / number
            self._unstepped.append((ids, is_finite))
            if skipped is not None:
                self._end_step(bool(skipped))
        return mean

    def _end_step(self, skipped: bool) -> None:
        batches, self._unstepped = self._unstepped, []
        bad = [ids for ids, is_finite in batches if not is_finite]
        if not skipped:
            self._in_a_row = []
            return
        if self.scaler.is_enabled() and not bad:
            return
        self.skipped += 1
        named = bad or [ids for ids, _ in batches]
        self._in_a_row.append([name for ids in named for name in ids])
        logger.warning(
            "loss or gradients are not finite, the step is skipped; its batch: %s",
            ", ".join(self._in_a_row[-1]),
        )
        if len(self._in_a_row) > self.patience:
            names = [name for batch in self._in_a_row for name in batch]
            more = f" and {len(names) - 9} more, which the log names" if len(names) > 9 else ""
            raise NonFiniteError(
                f"loss or gradients are not finite in {len(self._in_a_row)} steps in a row, with "
                f"{', '.join(names[:9])}{more}. Listen to the named utterances; if nothing is "
                f"wrong with them, give a lower learning_rate, a max_grad_norm, or --precision=fp32"
            )
