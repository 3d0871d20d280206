"""Confusion matrices side by side (fig. 3 of Zou et al., 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from camser.evaluation.report.figures import layout, style

ROOM = 1.2  # inches, for the color bar and the axis labels
ROOMY = 0.5  # inches; a smaller cell has no space for decimals
DARK = 68  # percent; from this share on, white text has more contrast than black


def confusion(
    panels: Mapping[str, Sequence[Sequence[int]]], labels: Sequence[str], title: str = ""
) -> Figure:
    """Row-normalized matrices: each cell shows its share of the row, and the count below it.

    Arguments
    ---------
    panels : mapping of str to counts
        By title, [classes, classes]: rows are labels, columns are predictions. A row without
        utterances has no shares; it is gray.
    labels : sequence of str
        The classes, in order.
    title : str
        Above all panels.
    """
    size, longest = len(labels), layout.letters_inches(labels)
    columns = _columns(len(panels), size)
    room = ROOM + longest
    cell = min(0.75, (style.WIDTH - room - 0.1 * columns) / columns / size)
    tilted = longest > 0.95 * cell
    height = size * cell + 0.4 + (0.7 * longest if tilted else 0.1)
    width = columns * (size * cell + 0.1) + room
    figure, grid = layout.panel_figure([*panels], columns, height, width, margin=room / columns)
    names = [layout.wrap_text(label, style.WIDTH) for label in labels]
    turn = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if tilted else {}
    for number, (axes, counts) in enumerate(zip(grid[:, 0], panels.values(), strict=True)):
        first = number % columns == 0
        mesh = _draw(axes, np.asarray(counts), cell)
        axes.set(xlabel="predicted emotion", ylabel="true emotion" if first else "")
        axes.set_xticks(np.arange(size) + 0.5, names, **turn)
        axes.set_yticks(np.arange(size) + 0.5, names if first else [""] * size)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    bar = figure.colorbar(mesh, ax=list(grid[:, 0]), fraction=0.03, pad=0.02, aspect=30)
    bar.set_label("share of the true emotion's utterances (%)", fontsize=style.SMALL)
    bar.ax.tick_params(labelsize=style.SMALL, width=0.6, length=2.5)
    bar.outline.set_visible(False)
    return layout.finalize_figure(figure, title)


def _draw(axes: Axes, counts: np.ndarray, cell: float) -> QuadMesh:
    """Draw the cells of one panel; return the mesh for the color bar."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.ma.masked_invalid(100 * counts / np.where(totals, totals, np.nan))
    shades: dict[str, Any] = {"cmap": style.SEQUENTIAL, "vmin": 0, "vmax": 100}
    mesh = axes.pcolormesh(shares, edgecolors="white", linewidth=0.8, **shades)
    axes.set(aspect="equal", ylim=(len(counts), 0), facecolor=style.PALE)
    for (row, column), count in np.ndenumerate(counts):
        # The text lies inside its axes, so the layout need not measure it.
        look: dict[str, Any] = {"ha": "center", "in_layout": False}
        if not totals[row, 0]:
            axes.text(column + 0.5, row + 0.5, "–", va="center", fontsize=style.LARGE, **look)
            continue
        share = shares[row, column]
        look["color"] = "white" if share >= DARK else "black"
        text, size = (f"{share:.1f} %", 7.5) if cell >= ROOMY else (f"{share:.0f}", 6.5)
        axes.text(column + 0.5, row + 0.53, text, va="bottom", fontsize=size, **look)
        axes.text(column + 0.5, row + 0.58, f"{count}", va="top", fontsize=style.TINY, **look)
    return mesh


def _columns(num_panels: int, num_classes: int) -> int:
    if num_classes <= 4 and num_panels % 3 == 0:
        return 3
    return 1 if num_classes > 8 else min(num_panels, 2)
