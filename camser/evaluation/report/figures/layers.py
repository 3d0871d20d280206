"""Scores of an encoder's layers, from its input to its last layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from camser.evaluation.report.figures import layout, style


def layers(
    scores: Mapping[str, Sequence[Sequence[float]]], marks: Mapping[int, str], title: str = ""
) -> Figure:
    """A line for each kind of score: its mean over folds by layer, in a band of a deviation.

    Arguments
    ---------
    scores : mapping of str to sequences
        [layers, folds] in [0, 1], by the name of the score, e.g. "UA".
    marks : mapping of int to str
        Texts beside layers, e.g. "best".
    title : str
        Above the figure.
    """
    figure = style.new_figure(style.WIDTH, 2.9)
    ((axes,),) = layout.panel_axes(figure, 1, columns=1)
    axes.set(xlabel="layer (0: the transformer's input)", ylabel="score of inner folds (%)")
    for number, (name, values) in enumerate(scores.items()):
        percent = 100 * np.asarray(values, dtype=float)
        means, deviations = percent.mean(axis=1), percent.std(axis=1, ddof=1)
        positions = np.arange(len(percent))
        look = {"markersize": 4, "linewidth": 1.3, **style.series_style(number)}
        axes.plot(positions, means, label=f"{name}, mean and standard deviation", **look)
        band = {"color": look["color"], "alpha": 0.15, "linewidth": 0}
        axes.fill_between(positions, means - deviations, means + deviations, **band)
    _mark(axes, marks)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axes.grid(axis="y", color=style.PALE, linewidth=0.5)
    axes.set_axisbelow(True)
    layout.legend_below(figure)
    return layout.finalize_figure(figure, title)


def _mark(axes: Axes, marks: Mapping[int, str]) -> None:
    """A line at each layer with its text above the axes; neighbors stand on two lines."""
    for number, (layer, text) in enumerate(sorted(marks.items())):
        axes.axvline(layer, color=style.GREY, linewidth=0.6, linestyle=style.LINES[2], zorder=0)
        axes.annotate(
            text, (layer, 1.0), xycoords=("data", "axes fraction"), fontsize=style.SMALL,
            xytext=(0, 2 + number % 2 * style.SMALL * layout.LINE), textcoords="offset points",
            ha="center", va="bottom",
        )  # fmt: skip
