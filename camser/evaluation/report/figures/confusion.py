"""Confusion matrices side by side (fig. 3 of Zou et al., 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from camser.evaluation.report.figures import style
from camser.evaluation.report.figures.layout import (
    check_some,
    finalize_figure,
    inches_of,
    letters_inches,
    panel_axes,
    wrap_text,
)

ROOM = 1.2  # inches, for the color bar and the axis labels
ROOMY = 0.5  # inches; a smaller cell has no space for decimals


def confusion(
    panels: Mapping[str, Sequence[Sequence[int]]], labels: Sequence[str], title: str = ""
) -> Figure:
    """Row-normalized matrices: each cell shows its share of the row, and the count below it.

    Arguments
    ---------
    panels : mapping of str to counts
        By title, [classes, classes]: rows are labels, columns are predictions. A row without
        utterances has no shares; it is hatched.
    labels : sequence of str
        The classes, in order.
    title : str
        Above all panels.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there are no panels, or counts are negative or not [classes, classes].
    """
    check_some(panels=panels, labels=labels)
    size = len(labels)
    matrices = {name: _checked(name, counts, size) for name, counts in panels.items()}
    columns = _columns(len(panels), size)
    room = ROOM + letters_inches(labels)
    cell = min(0.75, (style.WIDTH - room - 0.1 * columns) / columns / size)
    titles = [wrap_text(name, cell * size + 0.1) for name in panels]
    tilted = letters_inches(labels) > 0.95 * cell
    row = size * cell + inches_of(titles) + 0.4 + (0.7 * letters_inches(labels) if tilted else 0.1)
    rows = -(-len(panels) // columns)
    figure = style.new_figure(columns * (size * cell + 0.1) + room, rows * row + 0.1)
    grid = panel_axes(figure, len(panels), columns)[:, 0]
    for number, (axes, text, counts) in enumerate(
        zip(grid, titles, matrices.values(), strict=True)
    ):
        mesh = _draw(axes, counts, cell)
        style.style_axes(
            axes, text, "predicted emotion", "" if number % columns else "true emotion"
        )
        turn = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if tilted else {}
        middles = np.arange(size) + 0.5
        names = [wrap_text(label, style.WIDTH) for label in labels]
        axes.set_xticks(middles, names, **turn)
        axes.set_yticks(middles, [""] * size if number % columns else names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    bar = figure.colorbar(mesh, ax=list(grid), fraction=0.03, pad=0.02, aspect=30)
    bar.set_label("share of the true emotion's utterances (%)", fontsize=style.SMALL)
    bar.ax.tick_params(labelsize=style.SMALL, width=0.6, length=2.5)
    bar.outline.set_visible(False)
    return finalize_figure(figure, title)


def _draw(axes: Axes, counts: np.ndarray, cell: float) -> QuadMesh:
    """Draw the cells of one panel; return the mesh for the color bar."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.ma.masked_invalid(
        100 * np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)
    )
    mesh = axes.pcolormesh(
        shares, cmap=style.SEQUENTIAL, vmin=0, vmax=100, edgecolors="white", linewidth=0.8
    )
    axes.set(aspect="equal", ylim=(len(counts), 0))
    for (row, column), count in np.ndenumerate(counts):
        # The text lies inside its axes, so the layout need not measure it.
        middle = {"x": column + 0.5, "ha": "center", "in_layout": False}
        if not totals[row, 0]:
            hatched: dict[str, Any] = {"facecolor": style.PALE, "hatch": "////", "linewidth": 0.8}
            axes.add_patch(Rectangle((column, row), 1, 1, edgecolor="white", **hatched))
            box = {"facecolor": style.PALE, "edgecolor": "none", "pad": 1}
            axes.text(y=row + 0.5, s="–", va="center", fontsize=style.LARGE, bbox=box, **middle)
            continue
        share = shares[row, column]
        color = text_color(style.SEQUENTIAL(share / 100))
        text, size = (f"{share:.1f} %", 7.5) if cell >= ROOMY else (f"{share:.0f}", 6.5)
        axes.text(y=row + 0.53, s=text, va="bottom", fontsize=size, color=color, **middle)
        axes.text(
            y=row + 0.58, s=f"{count:.0f}", va="top", fontsize=style.TINY, color=color, **middle
        )
    return mesh


def text_color(ground: Any) -> str:
    """Black or white: the one with more contrast to a color (contrast ratio of WCAG 2)."""
    rgb = np.array(to_rgb(ground))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"


def _columns(num_panels: int, num_classes: int) -> int:
    if num_classes <= 4 and num_panels % 3 == 0:
        return 3
    return 1 if num_classes > 8 else min(num_panels, 2)


def _checked(name: str, counts: Sequence[Sequence[int]], size: int) -> np.ndarray:
    counts = np.asarray(counts)
    if counts.shape != (size, size) or (counts < 0).any():
        raise ValueError(
            f"{name!r}: counts of shape {counts.shape}, at least {counts.min(initial=0)}; allowed: "
            f"({size}, {size}), one row and column per label, none below 0"
        )
    return counts
