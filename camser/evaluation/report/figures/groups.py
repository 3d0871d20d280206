"""Scores of groups of utterances, and of variants of a system, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from camser.evaluation.report.figures import style
from camser.evaluation.report.figures.layout import (
    check_some,
    finalize_figure,
    inches_of,
    legend_below,
    wrap_text,
)

NAMES = 1.8  # inches, for the row names
WA = {"color": style.PALETTE[0], "marker": "o", "markersize": 4}
UA = {"color": style.PALETTE[1], "marker": "^", "markersize": 4}
SCORES = {"WA": (-0.15, WA), "UA": (0.15, UA)}  # offset below the row's middle, in rows; style
FOLD: dict[str, Any] = {"color": style.PALETTE[6], "marker": "o", "markersize": 3,
                        "markeredgecolor": style.GREY, "markeredgewidth": 0.3}  # fmt: skip
POOLED = {"color": style.PALETTE[0], "marker": "D", "markersize": 5}
CHANCE: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": style.LINES[2]}


def groups(
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
    intervals: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]] | None = None,
    title: str = "",
) -> Figure:
    """WA and UA of each group, with one panel per kind of group.

    Arguments
    ---------
    scores : mapping of str to mapping
        By kind ("speaker", "gender", ...) and group: ``WA`` and ``UA`` in [0, 1] and
        ``num_utterances``.
    intervals : mapping of str to mapping, optional
        By kind, group and score: (low, high) in [0, 1]; any of them may be missing or None.
    title : str
        Above all panels.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there are no kinds, or a kind has no groups.
    """
    check_some(
        scores=scores, **{f"scores of {kind!r}": by_group for kind, by_group in scores.items()}
    )
    titles = [wrap_text(kind, style.WIDTH - NAMES - 0.8) for kind in scores]
    names = [_names(by_group) for by_group in scores.values()]
    heights = [_height(rows) * len(rows) for rows in names]
    room = len(scores) * (inches_of(titles) + 0.3) + 0.5
    figure = style.new_figure(style.WIDTH, sum(heights) + room)
    panels = figure.subplots(len(scores), 1, squeeze=False, sharex=True, height_ratios=heights)
    for axes, text, rows, (kind, by_group) in zip(
        panels[:, 0], titles, names, scores.items(), strict=True
    ):
        bounds = (intervals or {}).get(kind) or {}
        for row, (group, values) in enumerate(by_group.items()):
            for score, (below, look) in SCORES.items():
                interval = (bounds.get(group) or {}).get(score)
                point(axes, values[score], row + below, interval, **look)
            text_at = {"transform": axes.get_yaxis_transform(), "va": "center"}
            axes.text(1.01, row, f"n = {values['num_utterances']}", fontsize=style.SMALL, **text_at)
        name_rows(axes, rows)
        style.style_axes(axes, text, "score (%)" if axes is panels[-1, 0] else "")
    clip_to_percent(panels[0, 0])
    legend_below(figure, [entry(score, **look) for score, (_, look) in SCORES.items()])
    return finalize_figure(figure, title)


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

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there are no variants.
    """
    check_some(rows=rows)
    names = _names(rows)
    figure = style.new_figure(style.WIDTH, _height(names, 0.34) * len(names) + 0.8)
    axes = figure.subplots()
    for row, values in enumerate(rows.values()):
        folds = 100 * np.asarray(values["folds"], dtype=float)
        # On one line, equal folds would hide each other.
        below = row + 0.1 + 0.07 * (np.arange(len(folds)) % 4)
        axes.plot(folds, below, linestyle="none", alpha=0.9, **FOLD)
        point(axes, values["pooled"], row - 0.12, values.get("interval"), **POOLED)
    known = any(values.get("interval") is not None for values in rows.values())
    pooled = "all folds pooled" + (", with its interval" if known else "")
    legend = [entry("one fold", **FOLD), entry(pooled, **POOLED)]
    if chance is not None:
        axes.axvline(100 * chance, **CHANCE)
        legend.append(Line2D([], [], label="chance", **CHANCE))
    name_rows(axes, names)
    clip_to_percent(axes)
    style.style_axes(axes, "", f"{wrap_text(score, 3.0, style.SMALL)} (%)")
    legend_below(figure, legend)
    return finalize_figure(figure, title)


def _names(rows: Mapping[str, Any]) -> list[str]:
    return [wrap_text(name, NAMES, style.SMALL) for name in rows]


def _height(names: Sequence[str], least: float = 0.24) -> float:
    """The height of every row, in inches: that of the tallest, because all are equal."""
    return max(least, inches_of(names, style.SMALL) + 0.06)


BAR: dict[str, Any] = {"elinewidth": 0.8, "capsize": 1.8, "capthick": 0.8}
EDGE = 2.0  # percent; space for a dot at 0 or 100 %


def point(
    axes: Axes, value: float, row: float, interval: Sequence[float] | None, **look: Any
) -> None:
    """A score in [0, 1] as a dot in percent, with its (low, high) as a bar."""
    if interval is not None:
        low, high = (100 * bound for bound in interval)
        # Centered on the interval, because it need not contain the score.
        bar = {"xerr": (high - low) / 2, "fmt": "none", "ecolor": look["color"]}
        axes.errorbar((low + high) / 2, row, **bar, **BAR)
    axes.plot(100 * value, row, linestyle="none", **look)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Label the rows, the first at the top, with a pale line along each."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", color=style.PALE, linewidth=0.5)
    axes.set_axisbelow(True)


def clip_to_percent(axes: Axes) -> None:
    """Leave a small margin around the data, but limit the axis to about 0 to 100 %."""
    axes.margins(x=0.08)
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, -EDGE), min(high, 100 + EDGE))


def entry(label: str, **look: Any) -> Line2D:
    """The legend entry of a dot."""
    return Line2D([], [], label=label, linestyle="none", **look)
