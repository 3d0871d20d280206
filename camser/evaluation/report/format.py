"""Format the texts of table cells and captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from camser.data.folds import selection_note
from camser.evaluation import statistics
from camser.evaluation.report import published
from camser.evaluation.report.runs import ProtocolResults, VariantResults


def title(section: ProtocolResults) -> str:
    """The name of a section, with the warning about its selection."""
    words = f"{section.corpus}, {section.protocol.replace('_', ' ')}"
    return f"{words}, {selection(section)}"


def selection(section: ProtocolResults) -> str:
    """How the epoch was selected."""
    return selection_note(section.selection) or "epoch chosen on held-out data"


def label(variant: VariantResults) -> str:
    """The name of a row: the variant, and its row of Table 2 if that has another name."""
    row = published.row_name(variant.settings)
    return variant.name if row in (None, variant.name) else f"{variant.name}: {row}"


def over_folds(variant: VariantResults, score: str) -> float:
    """The mean over folds."""
    return statistics.over_folds([fold[score] for fold in variant.folds.values()])[0]


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation in %."""
    center, deviation = statistics.over_folds(values)
    return percent(center) if deviation is None else f"{percent(center)} ± {percent(deviation)}"


def percent(value: float | None, digits: int = 1) -> str:
    """In %, without the sign; a dash for None."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def interval(limits: tuple[float, float] | None) -> str:
    """[low, high] in %; empty for None."""
    return "" if limits is None else f"[{percent(limits[0])}, {percent(limits[1])}]"


def pair(scores: Mapping[str, float] | None) -> str:
    """WA / UA in %."""
    if scores is None:
        return "–"
    return f"{percent(scores['WA'])} / {percent(scores['UA'])}"


def difference(found: Mapping[str, Any]) -> str:
    """The difference from ``statistics.paired_folds``, in points."""
    deviation = "" if found["deviation"] is None else f" ± {100 * found['deviation']:.1f}"
    return f"{100 * found['mean']:+.1f}{deviation}"


def p_value(value: float | None) -> str:
    """Three digits."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
