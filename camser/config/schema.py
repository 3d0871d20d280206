"""Types and ranges of a recipe's settings, checked before anything begins.

Whether a class, fold, plugin or parameter exists is checked where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from camser.config.command_line import SettingsError
from camser.runtime.safe_io import matches_type

NONE = type(None)


class _Allowed(NamedTuple):
    """A type as ``matches_type`` takes it, its name, and the bounds of its numbers."""

    kind: Any
    name: str
    least: float = -math.inf
    most: float = math.inf


TEXT, TEXTS = _Allowed(str, "a string"), _Allowed([str], "a list of strings, e.g. [a, b]")
PERHAPS = _Allowed((str, NONE), "a string, or null")
COUNT, SIZE = _Allowed(int, "a whole number", 0), _Allowed(int, "a whole number", 1)
SEED = _Allowed(int, "a whole number", 0, 2**32 - 1)  # outside this range SpeechBrain draws a seed
RATE, SHARE = _Allowed(float, "a number", 0), _Allowed(float, "a number", 0, 1)
ALLOWED = {
    "seed": SEED, "corpus": TEXT, "variant": TEXT, "output_folder": TEXT, "prepared_folder": TEXT,
    "export_folder": PERHAPS, "labels": TEXTS, "modalities": TEXTS, "fusion": TEXT,
    "merge_labels": _Allowed({str: str}, "a table of emotions, e.g. {excited: happy}"),
    "protocol": TEXT, "selection": TEXT, "target_corpus": PERHAPS,
    "fold": _Allowed(int, "a whole number"),
    "num_folds": _Allowed((int, NONE), "a whole number, or null"), "valid_fraction": SHARE,
    "segment_seconds": RATE, "dropout": SHARE, "batch_size": SIZE, "eval_batch_size": SIZE,
    "num_workers": COUNT, "learning_rate": RATE,
    "learning_rates": _Allowed({str: float}, "a table of numbers, e.g. {head: 0.001}", 0),
    "num_attention_examples": _Allowed(int, "a whole number"), "grad_accumulation_factor": SIZE,
    "optimizer_step_limit": _Allowed((int, NONE), "a whole number, or null", 1),
}  # fmt: skip


def validate_values(values: Mapping[str, Any]) -> None:
    """Raise a SettingsError unless every value has its type and is in its range.

    Arguments
    ---------
    values : mapping
        Plain values, references resolved. Objects to build are skipped: their values are unknown.

    Example
    -------
    >>> validate_values({"batch_size": 0})
    Traceback (most recent call last):
    camser.config.command_line.SettingsError: batch_size is 0; it must be a whole number; at least 1
    """
    for name, allowed in ALLOWED.items():
        if name not in values or _is_object(values[name]):
            continue
        value = values[name]
        numbers = value.values() if isinstance(value, dict) else [value]
        if not matches_type(value, allowed.kind) or not all(
            _is_within(n, allowed) for n in numbers
        ):
            raise SettingsError(
                f"{name} is {value!r:.80}; it must be {allowed.name}{_bounds(allowed)}"
            )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and any(key.startswith("!") for key in value)


def _is_within(value: Any, allowed: _Allowed) -> bool:
    return not isinstance(value, (int, float)) or allowed.least <= value <= allowed.most


def _bounds(allowed: _Allowed) -> str:
    least = "" if allowed.least == -math.inf else f"; at least {allowed.least}"
    return least if allowed.most == math.inf else f"{least}, at most {allowed.most}"
