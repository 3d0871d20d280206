"""The common style of all figures, and saving to files.

Figures are made without pyplot, so there is no global state and no setting outlives a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
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
# Okabe and Ito (2008): distinguishable with any color vision. The darkest on white come first. The
# yellow is darkened, because it is not visible on white.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#B5A800",
)  # fmt: skip
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "h", "p")
LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)))
GREY, PALE = "#666666", "#DDDDDD"
# From near white to dark blue in equal steps of CIELAB, so that equal differences look equal and
# the order is the same in gray print.
SEQUENTIAL = LinearSegmentedColormap.from_list(
    "white_to_blue",
    ["#f6f6f6", "#d7e4f1", "#b8cfe9", "#98b8dc", "#789fcb", "#5a85b7", "#406b9f", "#2a5185",
     "#19386b"],
)  # fmt: skip
METADATA = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


@contextmanager
def own_settings() -> Iterator[None]:
    """Draw figures with matplotlib's defaults, and ignore any ``matplotlibrc``.

    A ``matplotlibrc`` in the working folder overrides the user's, and can be untrusted: with
    ``text.usetex`` each label would start LaTeX.
    """
    with rc_context():
        rcdefaults()
        yield


def series_style(index: int) -> dict[str, Any]:
    """Color, marker and line style of the ``index``-th series of a figure.

    The three lists have different lengths, so no two of 88 series share color and marker.
    """
    return {
        "color": PALETTE[index % len(PALETTE)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[index % len(LINES)],
    }


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure, sizes in inches; its layout prevents overlaps."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def style_axes(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "") -> None:
    """Set the texts of axes (wrap the title first) and the common style."""
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
        The figure to write.
    folder : str or Path
        The output folder; it is created if missing.
    name : str
        The file name without its suffix.

    Returns
    -------
    dict of str to Path
        The files, by "png" and "svg".
    """
    paths = {kind: Path(folder) / f"{name}.{kind}" for kind in METADATA}
    for kind, path in paths.items():
        with atomic_write(path, "wb") as file:
            file.write(render(figure, kind))
    return paths


def render(figure: Figure, kind: str) -> bytes:
    """The bytes of a figure as "png" or "svg"; the same figure gives the same."""
    # Without a salt, each SVG has random ids. Letters as paths look the same without our font.
    with rc_context({"svg.hashsalt": "camser", "svg.fonttype": "path"}):
        stream = BytesIO()
        figure.savefig(stream, format=kind, dpi=DPI, metadata=METADATA[kind])
        return stream.getvalue()
