"""Reliability diagrams: accuracy against confidence (Guo et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from camser.evaluation.report.figures import layout, style

BAR: dict[str, Any] = {"facecolor": style.PALETTE[6], "edgecolor": "white", "linewidth": 0.4}
GAP: dict[str, Any] = {"facecolor": "none", "edgecolor": style.PALETTE[1], "hatch": "/////",
                       "linewidth": 0.6}  # fmt: skip
MEAN: dict[str, Any] = {"color": style.PALETTE[0], "marker": "o", "markersize": 2.5,
                        "linestyle": "none"}  # fmt: skip
DIAGONAL: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": style.LINES[1]}


def reliability(panels: Mapping[str, Mapping[str, Any]], title: str = "") -> Figure:
    """Accuracy against confidence in bins, and below it the number of utterances per bin.

    Arguments
    ---------
    panels : mapping of str to mapping
        By title, the result of ``statistics.calibration``.
    title : str
        Above all panels.
    """
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    width = min(style.WIDTH / columns, 3.2)
    titles = [f"{name}\nECE {100 * panel['ece']:.1f} %" for name, panel in panels.items()]
    figure, grid = layout.panel_figure(
        titles, columns, 1.05 * width, columns * width, heights=(3, 1)
    )
    for (upper, lower), panel in zip(grid, panels.values(), strict=True):
        left, count, full = 100 * panel["edges"][:-1], panel["count"], panel["count"] > 0
        confidence, accuracy = 100 * panel["confidence"], 100 * panel["accuracy"]
        bars: dict[str, Any] = {"align": "edge", "width": 100 / len(left)}
        at = {"x": left[full], **bars}
        upper.bar(height=accuracy[full], label="accuracy", **at, **BAR)
        gap = {"height": (confidence - accuracy)[full], "bottom": accuracy[full]}
        upper.bar(label="gap to the mean confidence", **gap, **at, **GAP)
        upper.plot(confidence, accuracy, label="mean of a bin", **MEAN)
        upper.plot([0, 100], [0, 100], label="calibrated", **DIAGONAL)
        lower.bar(left, count, **bars, **BAR)
        upper.set(ylabel="accuracy (%)", ylim=(0, 100), yticks=range(0, 101, 20))
        lower.set(xlabel="confidence (%)", xlim=(0, 100), xticks=range(0, 101, 20))
        lower.set(ylabel="utterances", ylim=(0, None))
        lower.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    figure.align_ylabels(list(grid.ravel()))
    layout.legend_below(figure)
    return layout.finalize_figure(figure, title)
