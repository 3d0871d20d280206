"""Learning curves: losses and validation scores of runs by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from camser.evaluation.report.figures import style
from camser.evaluation.report.figures.layout import check_some, finalize_figure, legend_below

# column of history.csv: its panel, the factor of its values, and its style
SERIES: dict[str, tuple[int, float, dict[str, Any]]] = {
    "train_loss": (0, 1.0, {"color": style.PALETTE[2], "linestyle": style.LINES[0]}),
    "valid_loss": (0, 1.0, {"color": style.PALETTE[3], "linestyle": style.LINES[1]}),
    "valid_WA": (1, 100.0, {"color": style.PALETTE[0], "linestyle": style.LINES[0]}),
    "valid_UA": (1, 100.0, {"color": style.PALETTE[1], "linestyle": style.LINES[1]}),
}
DOTS = {"valid_loss": "D", "valid_WA": "o", "valid_UA": "^"}  # the best epoch is selected by these


def curves(
    histories: Mapping[str, Sequence[Mapping[str, str]]],
    best_epochs: Mapping[str, int],
    title: str = "",
) -> Figure:
    """Losses on the left, validation WA and UA on the right.

    Each run has a thin line, and their median a thick one. The median ends where fewer than half
    of the runs still train, because the remaining few do not represent the rest.

    Arguments
    ---------
    histories : mapping of str to rows
        By run, the rows of its ``history.csv`` as strings: ``epoch``, ``train_loss``,
        ``valid_loss``, ``valid_WA``, ``valid_UA``.
    best_epochs : mapping of str to int
        By run, the selected epoch; a run may lack it.
    title : str
        Above all panels.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there are no runs, a history is empty or lacks a number, or a best epoch is not in the
        history of its run.
    """
    check_some(histories=histories)
    runs = {run: _numbers(run, rows) for run, rows in histories.items()}
    for run, best in best_epochs.items():
        if run not in runs or best not in runs[run]["epoch"]:
            raise ValueError(f"best epoch {best} of run {run!r} is not in the histories")
    figure = style.new_figure(style.WIDTH, 3.0)
    panels = figure.subplots(1, 2)
    for column, (panel, factor, look) in SERIES.items():
        _draw(panels[panel], runs, best_epochs, column, factor, look)
    style.style_axes(panels[0], "", "epoch", "loss (nats)")
    style.style_axes(panels[1], "", "epoch", "validation score (%)")
    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        axes.grid(axis="y", color=style.PALE, linewidth=0.5)
        axes.set_axisbelow(True)
    legend_below(figure, _entries(len(runs), bool(best_epochs)))
    return finalize_figure(figure, title)


def _draw(
    axes: Axes, runs: dict, best_epochs: Mapping, column: str, factor: float, look: dict
) -> None:
    """The lines of one column; a run of a single epoch is a point."""
    for run, numbers in runs.items():
        epochs, values = numbers["epoch"], factor * numbers[column]
        thin = {"color": look["color"], "linewidth": 0.5, "alpha": 0.4}
        axes.plot(epochs, values, label=f"{run} {column}", marker=_point(epochs), **thin)
        if run in best_epochs and column in DOTS:
            best = epochs == best_epochs[run]
            dot = {"marker": DOTS[column], "color": look["color"], "s": 18, "zorder": 4}
            axes.scatter(epochs[best], values[best], edgecolors="white", linewidths=0.4, **dot)
    epochs, values = median(runs, column)
    thick = {"linewidth": 1.8, "zorder": 3, "marker": _point(epochs), **look}
    axes.plot(epochs, factor * values, label=f"median {column}", **thick)


def _point(epochs: np.ndarray) -> str:
    return "." if len(epochs) == 1 else "none"


def median(runs: Mapping[str, Mapping[str, np.ndarray]], column: str) -> tuple:
    """The epochs that at least half of the runs reached, and the median values there."""
    epochs = np.unique(np.concatenate([numbers["epoch"] for numbers in runs.values()]))
    values = [
        np.concatenate([numbers[column][numbers["epoch"] == epoch] for numbers in runs.values()])
        for epoch in epochs
    ]
    enough = [2 * len(at_epoch) >= len(runs) for at_epoch in values]
    medians = [np.median(at_epoch) for at_epoch, used in zip(values, enough, strict=True) if used]
    return epochs[enough], np.array(medians)


def _numbers(run: str, rows: Sequence[Mapping[str, str]]) -> dict[str, np.ndarray]:
    check_some(**{f"the history of {run!r}": rows})
    try:
        return {name: np.array([float(row[name]) for row in rows]) for name in ("epoch", *SERIES)}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"the history of {run!r} is damaged ({error!r}); each row needs numbers for "
            f"{', '.join(('epoch', *SERIES))}"
        ) from error


def _entries(num_runs: int, chosen: bool) -> list[Line2D]:
    lines = [
        Line2D(
            [], [], label=column.replace("_", " "), linewidth=1.8, markersize=5,
            marker=DOTS.get(column), markeredgecolor="white", markeredgewidth=0.4, **look,
        )
        for column, (_, _, look) in SERIES.items()
    ]  # fmt: skip
    gray: dict[str, Any] = {"color": style.GREY}
    if num_runs > 1:
        lines.append(Line2D([], [], label="one run", linewidth=0.5, **gray))
        name = f"median (while half of the {num_runs} train)"
        lines.append(Line2D([], [], label=name, linewidth=1.8, **gray))
    dot: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 4}
    best = [Line2D([], [], label="best epoch", **dot, **gray)] if chosen else []
    return [*lines, *best]
