"""Layout of figures: wrapped texts, grids of panels, one legend below them.

The places of axes and texts are matplotlib's constrained layout; here are only the sizes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import chain

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from camser.evaluation.report.figures import style

LETTER = 0.6  # mean width of a letter, relative to the font size
LINE = 1.3  # height of a line, relative to the font size
POINTS = 72  # per inch


def wrap_text(text: str, inches: float, size: float = style.NORMAL) -> str:
    """Wrap text into lines that fit into ``inches``, at a size in points.

    Dollar signs are escaped, because in a name they do not mark math.

    Example
    -------
    >>> wrap_text("weighted and unweighted accuracy", 1.0)
    'weighted and\\nunweighted\\naccuracy'
    """
    letters = max(8, int(inches * POINTS / (size * LETTER)))
    lines = (textwrap.fill(line, letters, break_on_hyphens=False) for line in text.split("\n"))
    return "\n".join(lines).replace("$", r"\$")


def inches_of(texts: Sequence[str], size: float = style.NORMAL) -> float:
    """The height of the tallest wrapped text, in inches."""
    lines = max(text.count("\n") + 1 if text else 0 for text in texts)
    return lines * size * LINE / POINTS


def letters_inches(texts: Sequence[str]) -> float:
    """The width of the longest one-line text in small letters, in inches."""
    return max(map(len, texts)) * style.SMALL * LETTER / POINTS


def panel_figure(
    titles: Sequence[str], columns: int, height: float, width: float = style.WIDTH,
    heights: Sequence[float] = (1.0,), margin: float = 0.6,
) -> tuple[Figure, np.ndarray]:  # fmt: skip
    """A figure with a panel per title, and its axes (see ``panel_axes``).

    Arguments
    ---------
    titles : sequence of str
        Above each panel.
    columns : int
        Panels per row.
    height, width : float
        The height of a panel without its title and the width of the figure, in inches.
    heights : sequence of float
        Relative heights of the axes of a panel.
    margin : float
        The width beside the axes of a panel, which its title must not use, in inches.
    """
    titles = [wrap_text(title, width / columns - margin) for title in titles]
    rows = -(-len(titles) // columns)
    figure = style.new_figure(width, rows * (height + inches_of(titles)) + 0.1)
    grid = panel_axes(figure, len(titles), columns, heights)
    for axes, title in zip(grid[:, 0], titles, strict=True):
        axes.set_title(title, fontsize=style.NORMAL)
    return figure, grid


def panel_axes(
    figure: Figure, count: int, columns: int, heights: Sequence[float] = (1.0,)
) -> np.ndarray:
    """Axes for panels in rows of ``columns``; unused cells of the grid stay empty.

    Arguments
    ---------
    figure : Figure
        The figure to fill.
    count, columns : int
        Panels in total, and per row.
    heights : sequence of float
        Relative heights of the axes of a panel, from the top; they share their x axis.

    Returns
    -------
    array of Axes
        [count, len(heights)], in the common style.
    """
    rows, per_panel = -(-count // columns), len(heights)
    ratios = [*heights] * rows
    grid = figure.subplots(rows * per_panel, columns, squeeze=False, height_ratios=ratios)
    grid = grid.reshape(rows, per_panel, columns).swapaxes(1, 2).reshape(-1, per_panel)
    for spare in grid[count:].ravel():
        spare.remove()
    for panel in grid[:count]:
        for axes in panel:
            style.style_axes(axes)
        for axes in panel[:-1]:
            axes.sharex(panel[-1])
            axes.tick_params(labelbottom=False)
    return grid[:count]


def legend_below(figure: Figure, handles: Sequence[Artist] = ()) -> Legend:
    """One legend below all panels: of these artists, else of all that have a label, each once."""
    if not handles:
        labeled = chain.from_iterable(axes.get_legend_handles_labels()[0] for axes in figure.axes)
        handles = list({str(artist.get_label()): artist for artist in labeled}.values())
    names, width = [str(handle.get_label()) for handle in handles], figure.get_figwidth()
    for rows in range(1, len(names) + 1):
        columns = [names[i : i + rows] for i in range(0, len(names), rows)]
        if sum(letters_inches(column) + 6 * style.SMALL / POINTS for column in columns) < width:
            break
    figure.set_figheight(figure.get_figheight() + rows * style.SMALL * LINE / POINTS + 0.1)
    shape = {"ncols": len(columns), "handlelength": 2.8, "frameon": False, "fontsize": style.SMALL}
    return figure.legend(handles=handles, loc="outside lower center", **shape)


def finalize_figure(figure: Figure, title: str = "") -> Figure:
    """Add a title above all, fix the layout, and return the figure.

    The layout is fixed because each drawing would change it slightly, and with it the bytes.
    """
    if title:
        text = wrap_text(title, figure.get_figwidth() - 0.3, style.LARGE)
        figure.set_figheight(figure.get_figheight() + inches_of([text], style.LARGE) + 0.05)
        figure.suptitle(text, fontsize=style.LARGE)
    engine = figure.get_layout_engine()
    assert engine is not None, "figures are made by style.new_figure"
    for _ in range(2):  # axes of a fixed shape need a second pass after the first
        engine.execute(figure)
    figure.set_layout_engine("none")
    return figure
