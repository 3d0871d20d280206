"""Layout of figures: wrapped texts, grids of panels, a legend below, and the final arrangement."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence, Sized

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from camser.evaluation.report.figures.style import LARGE, NORMAL, SMALL

LETTER = 0.6  # mean width of a letter, relative to the font size
LINE = 1.3  # height of a line, relative to the font size
POINTS = 72  # per inch


def wrap_text(text: str, inches: float, size: float = NORMAL) -> str:
    """Wrap text into lines of similar length that fit into ``inches``, at a size in points.

    Dollar signs are escaped, because in a name they do not mark math.

    Example
    -------
    >>> wrap_text("weighted and unweighted accuracy", 1.0)
    'weighted and\\nunweighted\\naccuracy'
    """
    letters = max(8, int(inches * POINTS / (size * LETTER)))
    lines = [line for paragraph in str(text).split("\n") for line in _balanced(paragraph, letters)]
    return "\n".join(lines).replace("$", r"\$")


def _balanced(text: str, letters: int) -> list[str]:
    """As few lines as possible, of similar length."""
    lines = textwrap.wrap(text, letters, break_on_hyphens=False)
    least = max((len(word) for word in text.split()), default=letters)
    for narrower in range(max(least, len(text) // max(1, len(lines))), letters):
        narrow_lines = textwrap.wrap(text, narrower, break_on_hyphens=False)
        if len(narrow_lines) == len(lines):
            return narrow_lines
    return lines


def inches_of(texts: Sequence[str], size: float = NORMAL) -> float:
    """The height of the tallest wrapped text, in inches."""
    lines = max((text.count("\n") + 1 for text in texts if text), default=0)
    return lines * size * LINE / POINTS


def letters_inches(texts: Sequence[str], size: float = SMALL) -> float:
    """The width of the longest one-line text, in inches."""
    return max(map(len, texts), default=0) * size * LETTER / POINTS


def check_some(**given: Sized) -> None:
    """Raise a ValueError that names the empty argument."""
    for name, values in given.items():
        if not len(values):
            raise ValueError(f"{name} is empty: there is nothing to draw; give at least one")


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
        [count, len(heights)]
    """
    rows, per_panel = -(-count // columns), len(heights)
    ratios = [*heights] * rows
    grid = figure.subplots(rows * per_panel, columns, squeeze=False, height_ratios=ratios)
    grid = grid.reshape(rows, per_panel, columns).swapaxes(1, 2).reshape(-1, per_panel)
    for spare in grid[count:].ravel():
        spare.remove()
    for panel in grid[:count]:
        for axes in panel[:-1]:
            axes.sharex(panel[-1])
            axes.tick_params(labelbottom=False)
    return grid[:count]


def legend_below(figure: Figure, handles: Sequence[Artist]) -> Legend:
    """One legend below all panels, in as few rows as the figure's width allows."""
    names = [str(handle.get_label()) for handle in handles]
    for rows in range(1, len(names) + 1):
        columns = [names[i : i + rows] for i in range(0, len(names), rows)]
        widths = [letters_inches(column) + 6 * SMALL / POINTS for column in columns]
        if sum(widths) < figure.get_figwidth():
            break
    shape = {"ncols": len(columns), "handlelength": 2.8, "frameon": False, "fontsize": SMALL}
    return figure.legend(handles=handles, loc="outside lower center", **shape)


def finalize_figure(figure: Figure, title: str = "") -> Figure:
    """Add a title above all, fix the layout, and return the figure.

    The layout is fixed because each drawing would change it slightly, and with it the bytes.
    """
    if title:
        text = wrap_text(title, figure.get_figwidth() - 0.3, LARGE)
        figure.set_figheight(figure.get_figheight() + inches_of([text], LARGE) + 0.05)
        figure.suptitle(text, fontsize=LARGE)
    engine = figure.get_layout_engine()
    assert engine is not None, "figures are made by style.new_figure"
    for _ in range(2):  # axes of a fixed shape need a second pass after the first
        engine.execute(figure)
    figure.set_layout_engine("none")
    return figure
