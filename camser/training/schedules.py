"""The course of the learning rates: one factor of all rates, by step, by epoch or by score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

KINDS = ("warmup", "milestones", "newbob")


def check_schedule(schedule: Mapping[str, Any] | None, is_validated: bool) -> None:
    """Raise a ValueError unless a recipe's ``schedule`` is of one kind, and can be computed.

    Arguments
    ---------
    schedule : mapping or None
        See ``rate_factor``.
    is_validated : bool
        Whether the run has a validation split.
    """
    if not schedule:
        return
    kinds = [name for name in KINDS if schedule.get(name) is not None]
    if len(kinds) != 1:
        raise ValueError(f"schedule is {dict(schedule)}; give exactly one of: {', '.join(KINDS)}")
    if kinds == ["warmup"] and schedule.get("factor") is not None:
        raise ValueError(f"schedule is {dict(schedule)}; a schedule with warmup has no factor")
    if kinds == ["newbob"] and not is_validated:
        raise ValueError(
            "the schedule newbob compares validation scores, and there is no validation split; "
            "give another schedule, or a selection with one"
        )


def rate_factor(
    schedule: Mapping[str, Any], progress: float, epoch: int, history: Sequence[Mapping[str, Any]]
) -> float:
    """The factor of all learning rates in the next step.

    Arguments
    ---------
    schedule : mapping
        ``warmup``, see ``warmup_cosine``; or ``milestones`` and ``factor`` (0.1 by default), see
        ``multi_step``; or ``newbob`` and ``factor`` (0.5 by default), see ``newbob``.
    progress : float
        The share of all steps that is done, 0 to less than 1.
    epoch : int
        The current epoch, from 1.
    history : sequence of mapping
        The results of the epochs before, with ``valid_WA`` and ``valid_UA``.
    """
    if schedule.get("warmup") is not None:
        return warmup_cosine(progress, schedule["warmup"])
    factor = schedule.get("factor")
    if schedule.get("milestones") is not None:
        return multi_step(epoch, schedule["milestones"], 0.1 if factor is None else factor)
    scores = [row["valid_WA"] + row["valid_UA"] for row in history]
    return newbob(scores, schedule["newbob"], 0.5 if factor is None else factor)


def warmup_cosine(progress: float, warmup: float) -> float:
    """A linear rise to 1, then half a cosine down to 0.

    Arguments
    ---------
    progress : float
        As for ``rate_factor``.
    warmup : float
        The share of all steps in which the rates rise, 0 to 1.

    Example
    -------
    >>> [round(warmup_cosine(step / 8, warmup=0.25), 2) for step in range(8)]
    [0.0, 0.5, 1.0, 0.93, 0.75, 0.5, 0.25, 0.07]
    """
    if progress < warmup:
        return progress / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (progress - warmup) / (1 - warmup))


def multi_step(epoch: int, milestones: Sequence[int], factor: float) -> float:
    """From each milestone on, the rates are multiplied by ``factor``.

    Example
    -------
    >>> [multi_step(epoch, [3, 5], 0.1) for epoch in (1, 2, 3, 4)]
    [1.0, 1.0, 0.1, 0.1]
    """
    return factor ** sum(epoch >= milestone for milestone in milestones)


def newbob(scores: Sequence[float], min_gain: float, factor: float) -> float:
    """After each epoch that is not better by ``min_gain``, the rates are multiplied by ``factor``.

    Arguments
    ---------
    scores : sequence of float
        WA + UA of the epochs before; each is compared with the best one before it.
    min_gain : float
        A gain below this is none.
    factor : float
        0 to 1.

    Example
    -------
    >>> newbob([0.9, 1.0, 1.001, 0.8], min_gain=0.01, factor=0.5)
    0.25
    """
    pairs = zip(scores[1:], range(1, len(scores)), strict=True)
    return factor ** sum(score - max(scores[:before]) < min_gain for score, before in pairs)
