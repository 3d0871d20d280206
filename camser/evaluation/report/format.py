"""Format the texts of table cells: shares in %, differences in points, p-values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from camser.evaluation import statistics


def percent(value: float | None, digits: int = 1) -> str:
    """In %, without the sign; a dash for None."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation in %."""
    center, deviation = statistics.over_folds(values)
    return percent(center) if deviation is None else f"{percent(center)} ± {percent(deviation)}"


def pair(scores: Mapping[str, float] | None) -> str:
    """WA / UA in %."""
    return f"{percent(scores['WA'])} / {percent(scores['UA'])}" if scores else "–"


def difference(found: Mapping[str, Any]) -> str:
    """The difference from ``statistics.paired_folds``, in points."""
    deviation = "" if found["deviation"] is None else f" ± {100 * found['deviation']:.1f}"
    return f"{100 * found['mean']:+.1f}{deviation}"


def p_value(value: float | None, corrected: float | None) -> str:
    """A p-value as it is / corrected, with three digits."""
    values = [p for p in (value, corrected) if p is not None]
    return " / ".join("< 0.001" if p < 0.001 else f"{p:.3f}" for p in values) or "–"


def integer(value: int | None) -> str:
    """With a space before every three digits."""
    return "–" if value is None else f"{value:,}".replace(",", " ")
