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
# How often in a row a GradScaler may halve its scale before that is an error: at first from 2**16
# down to 1; later once because it doubled it, and once for a batch of larger gradients.
FIRST_HALVINGS, LATER_HALVINGS = 16, 2
ACCUMULATED = -1.0  # in place of a step's flag: gradients are still being accumulated
OTHER_RANK_HINT = (
    "the losses of this process are finite: another process logs its batch, or gradients are "
    "not finite"
)


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
        Of each optimizer's gradients; ``math.inf``: they are not clipped.

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


def check_loss_scale(scaler: torch.GradScaler) -> None:
    """Raise a NonFiniteError if fp16 has found no suitable scale."""
    if scaler.is_enabled() and scaler.get_scale() < 1:
        raise NonFiniteError(
            f"gradients are not finite in fp16 at any scale (now {scaler.get_scale():.1e}); give a "
            f"lower learning_rate, a max_grad_norm, or --precision=bf16 or fp32"
        )


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
    scaled : bool
        Whether a GradScaler searches for its scale: steps that it skips for that are not counted.
    alone : bool
        Whether no other process, whose losses are not known here, works on the same steps.

    Attributes
    ----------
    skipped : int
        Steps, of those fetched and counted.

    Example
    -------
    >>> losses = LossTracker(patience=3)
    >>> losses.add(1, ["a"], torch.tensor(2.0), torch.tensor(0.0))
    >>> losses.add(2, ["b"], torch.tensor(4.0), torch.tensor(0.0))
    >>> losses.fetch(mean=0.0)
    3.0
    """

    def __init__(self, patience: int, scaled: bool = False, alone: bool = True) -> None:
        self.patience, self.scaled, self.alone = patience, scaled, alone
        self.skipped = 0
        self._halvings = FIRST_HALVINGS if scaled else 0  # that are left
        self.pending: list[tuple[int, Sequence[str], Tensor]] = []
        self._unstepped: list[tuple[Sequence[str], bool]] = []
        self._in_a_row: list[list[str]] = []

    def add(self, number: int, ids: Sequence[str], loss: Tensor, skipped: Tensor | None) -> None:
        """Add a batch, without waiting for it.

        Arguments
        ---------
        number : int
            Of the batch in the epoch, from 1.
        ids : sequence of str
            Its items.
        loss : Tensor
            Detached, [].
        skipped : Tensor or None
            What ``clip_and_step`` returned; None where gradients are still being accumulated.
        """
        flag = torch.full_like(loss, ACCUMULATED).float() if skipped is None else skipped
        self.pending.append((number, ids, torch.stack([loss.float(), flag])))

    @property
    def should_fetch(self) -> bool:
        """Whether it is time to fetch; on a CPU always, where there is nothing to wait for."""
        on_host = any(values.device.type == "cpu" for *_, values in self.pending)
        return on_host or len(self.pending) >= STEPS_BETWEEN_FETCHES

    def fetch(self, mean: float) -> float:
        """Fetch pending losses, log skipped steps, and update the epoch's mean loss.

        Arguments
        ---------
        mean : float
            Over the batches before.

        Raises
        ------
        NonFiniteError
            If more steps in a row than the patience allows were skipped.
        """
        pending, self.pending = self.pending, []
        if not pending:
            return mean
        fetched = torch.stack([values for *_, values in pending]).tolist()
        for (number, ids, _), (loss, flag) in zip(pending, fetched, strict=True):
            is_finite = math.isfinite(loss)
            if is_finite:
                mean += (loss - mean) / number
            self._unstepped.append((ids, is_finite))
            if flag != ACCUMULATED:
                self._count_skipped_step(bool(flag))
        return mean

    def _count_skipped_step(self, skipped: bool) -> None:
        batches, self._unstepped = self._unstepped, []
        all_finite = all(is_finite for _, is_finite in batches)
        if not skipped and all_finite:
            self._in_a_row = []
            self._halvings = LATER_HALVINGS if self.scaled else 0
            return
        if all_finite and self._halvings:
            self._halvings -= 1
            return
        self.skipped += 1
        named = [ids for ids, is_finite in batches if not is_finite]
        if self.alone:
            named = named or [ids for ids, _ in batches]
        self._in_a_row.append([name for ids in named for name in ids])
        logger.warning(
            "loss or gradients are not finite, the step is skipped; %s",
            f"its batch: {', '.join(self._in_a_row[-1])}" if named else OTHER_RANK_HINT,
        )
        if len(self._in_a_row) > self.patience:
            names = [name for batch in self._in_a_row for name in batch]
            more = f" and {len(names) - 9} more, which the log names" if len(names) > 9 else ""
            details = f", with {', '.join(names[:9])}{more}" if names else f"; {OTHER_RANK_HINT}"
            raise NonFiniteError(
                f"loss or gradients are not finite in {len(self._in_a_row)} steps in a row"
                f"{details}. Listen to the named utterances; if nothing is wrong with them, give a "
                f"lower learning_rate, a max_grad_norm, or --precision=fp32"
            )
