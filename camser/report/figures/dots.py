"""Rows of dots with intervals, on an axis of percent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from camser.report.figures import style

BAR: dict[str, Any] = {"elinewidth": 0.8, "capsize": 1.8, "capthick": 0.8}
EDGE = 2.0  # percent; room for a dot at 0 or 100 %


def point(
    axes: Axes, value: float, row: float, interval: Sequence[float] | None, **look: Any
) -> None:
    """A score in [0, 1] as a dot in percent, with its (low, high) as a bar."""
    if interval is not None:
        low, high = (100 * bound for bound in interval)
        # Around its own middle: an interval need not hold the score.
        bar = {"xerr": (high - low) / 2, "fmt": "none", "ecolor": look["color"]}
        axes.errorbar((low + high) / 2, row, **bar, **BAR)
    axes.plot(100 * value, row, linestyle="none", **look)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows, the first at the top, with a pale line along each."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", color=style.PALE, linewidth=0.5)
    axes.set_axisbelow(True)


def clip_to_percent(axes: Axes) -> None:
    """Keep a little more than what was drawn, and no percent that cannot be."""
    axes.margins(x=0.08)
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, -EDGE), min(high, 100 + EDGE))


def entry(label: str, **look: Any) -> Line2D:
    """What a legend shows of a dot."""
    return Line2D([], [], label=label, linestyle="none", **look)
