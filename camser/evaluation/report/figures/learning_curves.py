"""Learning curves: losses and validation scores of runs by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from camser.evaluation.report.figures import layout, style

# column of history.csv: its panel, the factor of its values, its style, the best epoch's marker
SERIES: dict[str, tuple[int, float, dict[str, Any], str]] = {
    "train_loss": (0, 1.0, {"color": style.PALETTE[2], "linestyle": style.LINES[0]}, ""),
    "valid_loss": (0, 1.0, {"color": style.PALETTE[3], "linestyle": style.LINES[1]}, "D"),
    "valid_WA": (1, 100.0, {"color": style.PALETTE[0], "linestyle": style.LINES[0]}, "o"),
    "valid_UA": (1, 100.0, {"color": style.PALETTE[1], "linestyle": style.LINES[1]}, "^"),
}
KEYS: dict[str, dict[str, Any]] = {
    "one run": {"linewidth": 0.5},
    "median, while half train": {"linewidth": 1.8},
    "best epoch": {"marker": "o", "linestyle": "none", "markersize": 4},
}
Run = tuple[Sequence[Mapping[str, str]], int]


def curves(runs: Sequence[Run], title: str = "") -> Figure:
    """Losses on the left, validation WA and UA on the right.

    Each run has a thin line, and their median a thick one. The median ends where fewer than half
    of the runs still train, because the remaining few do not represent the rest.

    Arguments
    ---------
    runs : sequence of (rows, int)
        The rows of a ``history.csv`` as strings (``epoch``, ``train_loss``, ``valid_loss``,
        ``valid_WA``, ``valid_UA``) and the best epoch.
    title : str
        Above all panels.

    Raises
    ------
    ValueError
        If a history lacks a number.
    """
    numbers = [_numbers(rows) for rows, _ in runs]
    best_epochs = [best for _, best in runs]
    figure = style.new_figure(style.WIDTH, 2.7)
    panels = layout.panel_axes(figure, 2, columns=2)[:, 0]
    for column, (panel, *_) in SERIES.items():
        _draw(panels[panel], numbers, best_epochs, column)
    panels[0].set(xlabel="epoch", ylabel="loss (nats)")
    panels[1].set(xlabel="epoch", ylabel="validation score (%)")
    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        axes.grid(axis="y", color=style.PALE, linewidth=0.5)
        axes.set_axisbelow(True)
    named = [line for axes in panels for line in axes.get_legend_handles_labels()[0]]
    keys = [Line2D([], [], label=name, color=style.GREY, **look) for name, look in KEYS.items()]
    layout.legend_below(figure, [*named, *keys])
    return layout.finalize_figure(figure, title)


def _draw(axes: Axes, runs: list[dict], best_epochs: list[int], column: str) -> None:
    """The lines of one column; a run of a single epoch is a point."""
    _, factor, look, marker = SERIES[column]
    for numbers, best in zip(runs, best_epochs, strict=True):
        epochs, values = numbers["epoch"], factor * numbers[column]
        thin = {"color": look["color"], "linewidth": 0.5, "alpha": 0.4}
        axes.plot(epochs, values, marker=_point(epochs), **thin)
        if marker:
            at = epochs == best
            dot = {"color": look["color"], "s": 18, "edgecolors": "white", "linewidths": 0.4}
            axes.scatter(epochs[at], values[at], marker=marker, zorder=4, **dot)
    epochs, values = median(runs, column)
    thick = {"label": column.replace("_", " "), "linewidth": 1.8, "zorder": 3, **look}
    axes.plot(epochs, factor * values, marker=_point(epochs), **thick)


def _point(epochs: np.ndarray) -> str:
    return "." if len(epochs) == 1 else "none"


def median(runs: Sequence[Mapping[str, np.ndarray]], column: str) -> tuple:
    """The epochs that at least half of the runs reached, and the median values there."""
    epochs = np.unique(np.concatenate([numbers["epoch"] for numbers in runs]))
    by_epoch = {
        epoch: np.concatenate([run[column][run["epoch"] == epoch] for run in runs])
        for epoch in epochs.tolist()
    }
    medians = {
        e: np.median(values) for e, values in by_epoch.items() if 2 * len(values) >= len(runs)
    }
    return np.array([*medians]), np.array([*medians.values()])


def _numbers(rows: Sequence[Mapping[str, str]]) -> dict[str, np.ndarray]:
    try:
        return {name: np.array([float(row[name]) for row in rows]) for name in ("epoch", *SERIES)}
    except KeyError as error:
        raise ValueError(f"a history has no column {error}; start the run again") from error
