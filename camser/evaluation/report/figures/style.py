"""What all figures look like, and how they are written.

Figures are made without pyplot: nothing is registered anywhere, and no setting outlives a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context, rcdefaults
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from camser.runtime.files import atomic_write

WIDTH = 6.7  # inches: 17 cm, the text width of an A4 page
DPI = 200
TINY, SMALL, NORMAL, LARGE = 5.5, 6.5, 7.5, 8.5  # points, as printed at that width
# Okabe and Ito (2008), tellable apart with any colour vision; those that are darkest on white come
# first, and their yellow, which vanishes there, is darkened.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#B5A800",
)  # fmt: skip
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "h", "p")
LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)))
GREY, PALE = "#666666", "#DDDDDD"
# From near white to dark blue in equal steps of CIELAB, so that equal differences look equal and
# grey print keeps the order.
SEQUENTIAL = LinearSegmentedColormap.from_list(
    "white_to_blue",
    ["#f6f6f6", "#d7e4f1", "#b8cfe9", "#98b8dc", "#789fcb", "#5a85b7", "#406b9f", "#2a5185",
     "#19386b"],
)  # fmt: skip
METADATA = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


@contextmanager
def own_settings() -> Iterator[None]:
    """While figures are drawn: matplotlib's defaults, whatever a ``matplotlibrc`` says.

    One in the working folder goes before the user's, and can be a stranger's: with ``text.usetex``
    each label would start LaTeX.
    """
    with rc_context():
        rcdefaults()
        yield


def series_style(index: int) -> dict[str, Any]:
    """Colour, marker and line style of the ``index``-th thing of a figure.

    The three repeat at different lengths, so that no two of 88 things share colour and marker.
    """
    return {
        "color": PALETTE[index % len(PALETTE)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[index % len(LINES)],
    }


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure, sizes in inches; what is put into it is kept from overlapping."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def style_axes(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "") -> None:
    """Give axes their texts (a title is to be wrapped already) and the shared look."""
    axes.set_title(title, fontsize=NORMAL)
    axes.set_xlabel(xlabel, fontsize=SMALL)
    axes.set_ylabel(ylabel, fontsize=SMALL)
    axes.tick_params(labelsize=SMALL, width=0.6, length=2.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_linewidth(0.6)


def save(figure: Figure, folder: str | Path, name: str) -> dict[str, Path]:
    """Write a figure as PNG and SVG; the same figure gives the same bytes.

    Arguments
    ---------
    figure : Figure
        What to write.
    folder : str or Path
        Where; it is made if need be.
    name : str
        The files' name without its suffix.

    Returns
    -------
    dict of str to Path
        The files, by "png" and "svg".
    """
    paths = {kind: Path(folder) / f"{name}.{kind}" for kind in METADATA}
    # Else each SVG draws random ids. Letters as paths look the same without our font.
    with rc_context({"svg.hashsalt": "camser", "svg.fonttype": "path"}):
        for kind, path in paths.items():
            with atomic_write(path, "wb") as file:
                figure.savefig(file, format=kind, dpi=DPI, metadata=METADATA[kind])
    return paths
