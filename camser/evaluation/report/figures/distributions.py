"""A quantity by group: median, quartiles, and the range of nine tenths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from camser.evaluation.report.figures import layout, style

WIDTH = style.WIDTH / 2  # inches: readable on a phone
NAMES = 0.9  # inches, for the group names
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BOX: dict[str, Any] = {"height": 0.56, "color": style.PALETTE[6], "alpha": 0.55}
LINE: dict[str, Any] = {"color": style.GREY, "linewidth": 0.9, "zorder": 1}
MEDIAN: dict[str, Any] = {"color": style.PALETTE[0], "linewidth": 2}


def distributions(groups: Mapping[str, Sequence[float]], xlabel: str) -> Figure:
    """A row a group.

    Arguments
    ---------
    groups : mapping of str to sequence of float
        The values by group; one at least.
    xlabel : str
        The quantity and its unit.
    """
    names = [layout.wrap_text(name, NAMES) for name in groups]
    row = max(0.24, layout.inches_of(names) + 0.06)
    figure = style.new_figure(WIDTH, len(names) * row + 0.45)
    axes = figure.subplots()
    style.style_axes(axes)
    axes.set_xlabel(xlabel, fontsize=style.NORMAL)
    for number, values in enumerate(groups.values()):
        low, left, middle, right, high = np.quantile(values, QUANTILES)
        axes.hlines(number, low, high, **LINE)
        axes.barh(number, right - left, left=left, **BOX)
        axes.vlines(middle, number - 0.28, number + 0.28, **MEDIAN)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(labelsize=style.NORMAL)
    axes.use_sticky_edges = False
    axes.margins(x=0.05)
    axes.set_ylim(len(names) - 0.5, -0.5)
    return layout.finalize_figure(figure)
