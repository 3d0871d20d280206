"""Reliability diagrams: accuracy against confidence (Guo et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from camser.evaluation.report.figures import style
from camser.evaluation.report.figures.layout import (
    check_some,
    finalize_figure,
    inches_of,
    legend_below,
    panel_axes,
    wrap_text,
)

BAR: dict[str, Any] = {"facecolor": style.PALETTE[6], "edgecolor": "white", "linewidth": 0.4}
GAP: dict[str, Any] = {"facecolor": "none", "edgecolor": style.PALETTE[1], "hatch": "/////",
                       "linewidth": 0.6}  # fmt: skip
MEAN: dict[str, Any] = {"marker": "o", "markersize": 2.5, "linestyle": "none"}


def reliability(panels: Mapping[str, Mapping[str, Any]], title: str = "") -> Figure:
    """Accuracy against confidence in bins, and below it the number of utterances per bin.

    Arguments
    ---------
    panels : mapping of str to mapping
        By title: ``edges`` [bins + 1], ``confidence``, ``accuracy`` and ``count`` [bins], shares
        in [0, 1], nan in empty bins; ``ece``, the expected calibration error, in [0, 1].
    title : str
        Above all panels.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there are no panels, or the arrays of a panel differ in length.
    """
    check_some(panels=panels)
    columns = min(3, len(panels)) if len(panels) != 4 else 2
    width = min(style.WIDTH / columns, 3.2)
    rows = -(-len(panels) // columns)
    titles = [wrap_text(f"{n}\nECE {100 * p['ece']:.1f} %", width - 0.5) for n, p in panels.items()]
    figure = style.new_figure(columns * width, rows * (width * 1.05 + inches_of(titles)) + 0.3)
    grid = panel_axes(figure, len(panels), columns, heights=(3, 1))
    for (upper, lower), text, (name, panel) in zip(grid, titles, panels.items(), strict=True):
        _draw(upper, lower, name, panel)
        style.style_axes(upper, text, "", "accuracy (%)")
        style.style_axes(lower, "", "confidence (%)", "utterances")
        upper.set(ylim=(0, 100), yticks=range(0, 101, 20))
        lower.set(xlim=(0, 100), xticks=range(0, 101, 20), ylim=(0, None))
        lower.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    figure.align_ylabels(list(grid.ravel()))
    legend_below(figure, _entries())
    return finalize_figure(figure, title)


def _draw(upper: Axes, lower: Axes, name: str, panel: Mapping[str, Any]) -> None:
    edges, confidence, accuracy, count = (
        np.asarray(panel[key], dtype=float) for key in ("edges", "confidence", "accuracy", "count")
    )
    if not len(edges) - 1 == len(confidence) == len(accuracy) == len(count):
        raise ValueError(
            f"{name!r}: {len(edges)} edges, {len(confidence)} confidences, {len(accuracy)} "
            f"accuracies, {len(count)} counts; allowed: equal numbers, and one more edge"
        )
    edges, confidence, accuracy = 100 * edges, 100 * confidence, 100 * accuracy
    left, width, full = edges[:-1], np.diff(edges), count > 0
    at: dict[str, Any] = {"x": left[full], "width": width[full], "align": "edge"}
    upper.bar(height=accuracy[full], **at, **BAR)
    upper.bar(height=(confidence - accuracy)[full], bottom=accuracy[full], **at, **GAP)
    upper.plot([0, 100], [0, 100], color="black", linewidth=0.8, linestyle=style.LINES[1])
    upper.plot(confidence[full], accuracy[full], color=style.PALETTE[0], **MEAN)
    lower.bar(left, count, width, align="edge", **BAR)


def _entries() -> list:
    return [
        Patch(label="accuracy", **BAR),
        Patch(label="gap to the mean confidence", **GAP),
        Line2D([], [], label="mean of a bin", color=style.PALETTE[0], **MEAN),
        Line2D([], [], label="calibrated", color="black", linewidth=0.8, linestyle=style.LINES[1]),
    ]
