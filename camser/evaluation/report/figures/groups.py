"""Scores of groups of utterances, and of variants of a system, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camser.evaluation.report.figures import layout, style

NAMES = 1.8  # inches, for the row names
EDGE = 2.0  # percent; space for a dot at 0 or 100 %
SCORES: dict[str, tuple[float, dict[str, Any]]] = {  # offset below the row's middle, in rows; style
    "WA": (-0.15, {"color": style.PALETTE[0], "marker": "o", "markersize": 4}),
    "UA": (0.15, {"color": style.PALETTE[1], "marker": "^", "markersize": 4}),
}
FOLD: dict[str, Any] = {
    "label": "one fold", "color": style.PALETTE[6], "marker": "o", "markersize": 3, "alpha": 0.9,
    "linestyle": "none", "markeredgecolor": style.GREY, "markeredgewidth": 0.3,
}  # fmt: skip
POOLED: dict[str, Any] = {
    "label": "all folds pooled, bar: 95 % interval", "color": style.PALETTE[0], "marker": "D",
    "markersize": 5, "linestyle": "none",
}  # fmt: skip
CHANCE: dict[str, Any] = {
    "label": "chance",
    "color": "black",
    "linewidth": 0.8,
    "linestyle": style.LINES[2],
}
BAR: dict[str, Any] = {"color": style.PALETTE[0], "fmt": "none", "elinewidth": 0.8,
                       "capsize": 1.8, "capthick": 0.8}  # fmt: skip


def groups(scores: Mapping[str, Mapping[str, Mapping[str, Any]]], title: str = "") -> Figure:
    """WA and UA of each group, with one panel per kind of group.

    Arguments
    ---------
    scores : mapping of str to mapping
        By kind ("speaker", "gender", ...) and group: ``WA`` and ``UA`` in [0, 1] and
        ``num_utterances``.
    title : str
        Above all panels.
    """
    names = [_names(by_group) for by_group in scores.values()]
    heights = [_height(rows) for rows in names]
    figure = style.new_figure(style.WIDTH, sum(heights) + 0.45 * len(scores) + 0.3)
    panels = figure.subplots(len(scores), 1, squeeze=False, sharex=True, height_ratios=heights)
    for axes, rows, (kind, by_group) in zip(panels[:, 0], names, scores.items(), strict=True):
        style.style_axes(axes, kind)
        _name_rows(axes, rows)
        for score, (below, look) in SCORES.items():
            values = [100 * one[score] for one in by_group.values()]
            middles = np.arange(len(rows)) + below
            axes.plot(values, middles, label=score, linestyle="none", **look)
        for row, one in enumerate(by_group.values()):
            at = {"transform": axes.get_yaxis_transform(), "va": "center"}
            axes.text(1.01, row, f"n = {one['num_utterances']}", fontsize=style.SMALL, **at)
    panels[-1, 0].set_xlabel("score (%)")
    _clip_to_percent(panels[0, 0])
    layout.legend_below(figure)
    return layout.finalize_figure(figure, title)


def compare(
    rows: Mapping[str, Mapping[str, Any]],
    chance: float | None = None,
    score: str = "UA",
    title: str = "",
) -> Figure:
    """Variants of a system: a dot for each fold, a diamond for all folds pooled.

    Arguments
    ---------
    rows : mapping of str to mapping
        By variant: ``folds``, a list of scores in [0, 1]; ``pooled``, the score of all folds'
        predictions together; ``interval``, its (low, high) or None.
    chance : float, optional
        The score of random guessing, in [0, 1], drawn as a line.
    score : str
        The name of the score.
    title : str
        Above all panels.
    """
    names = _names(rows)
    figure = style.new_figure(style.WIDTH, _height(names, 0.34) + 0.6)
    axes = figure.subplots()
    style.style_axes(axes, xlabel=f"{score} (%)")
    _name_rows(axes, names)
    for row, values in enumerate(rows.values()):
        folds = 100 * np.asarray(values["folds"], dtype=float)
        # On one line, equal folds would hide each other.
        below = row + 0.1 + 0.07 * (np.arange(len(folds)) % 4)
        axes.plot(folds, below, **FOLD)
        axes.plot(100 * values["pooled"], row - 0.12, **POOLED)
        if values["interval"]:
            low, high = (100 * bound for bound in values["interval"])
            # Centered on the interval, because it need not contain the score.
            axes.errorbar((low + high) / 2, row - 0.12, xerr=(high - low) / 2, **BAR)
    if chance is not None:
        axes.axvline(100 * chance, **CHANCE)
    _clip_to_percent(axes)
    layout.legend_below(figure)
    return layout.finalize_figure(figure, title)


def _names(rows: Mapping[str, Any]) -> list[str]:
    return [layout.wrap_text(name, NAMES, style.SMALL) for name in rows]


def _height(names: Sequence[str], least: float = 0.24) -> float:
    """The height of all rows, in inches: each is as high as the tallest."""
    return len(names) * max(least, layout.inches_of(names, style.SMALL) + 0.06)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Label the rows, the first at the top, with a pale line along each."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", color=style.PALE, linewidth=0.5)
    axes.set_axisbelow(True)


def _clip_to_percent(axes: Axes) -> None:
    """Leave a small margin around the data, but limit the axis to about 0 to 100 %."""
    axes.margins(x=0.08)
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, -EDGE), min(high, 100 + EDGE))
