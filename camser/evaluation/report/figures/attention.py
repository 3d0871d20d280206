"""Attention weights of frames above the spectrograms of the recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from camser.evaluation.report.figures import style
from camser.evaluation.report.figures.layout import (
    check_some,
    finalize_figure,
    inches_of,
    legend_below,
    panel_axes,
    wrap_text,
)

SAMPLE_RATE, FRAME_SECONDS, KILOHERTZ = 16000, 0.01, 4.0
FEW = 30  # frames per segment; up to this many have markers: a line between frames is no weight


def attention(
    items: Sequence[Mapping[str, Any]], title: str = "", width: float = style.WIDTH
) -> Figure:
    """One spectrogram per item, with the attention weights over the same time above it.

    With several modalities, each weight is multiplied by the number of frames of its segment. So
    modalities with few and many frames can be compared: uniform weights that sum to 1 become 1.

    Arguments
    ---------
    items : sequence of mappings
        ``title``; ``spectrogram`` [bins, frames of 10 ms] in [0, 1], 0 to 4 kHz, low frequencies in
        the last row; ``samples``, the recording's length at 16 kHz; ``weights`` by modality,
        [segments, frames of a segment]; ``segment_seconds``.
    title : str
        Above all panels.
    width : float
        Width of the figure, in inches.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there are no items, or a spectrogram or weights are not two-dimensional.
    """
    check_some(items=items)
    columns = min(2, len(items))
    titles = [wrap_text(item["title"], width / columns - 0.6) for item in items]
    rows = -(-len(items) // columns)
    figure = style.new_figure(width, rows * (1.55 + inches_of(titles)) + 0.3)
    grid = panel_axes(figure, len(items), columns, heights=(1, 2))
    modalities = list(dict.fromkeys(name for item in items for name in item["weights"]))
    looks = {name: style.series_style(number) for number, name in enumerate(modalities)}
    for name, look in looks.items():
        if any(np.shape(item["weights"].get(name, [[]]))[-1] > FEW for item in items):
            look["marker"] = "none"
    for (upper, lower), text, item in zip(grid, titles, items, strict=True):
        seconds = item["samples"] / SAMPLE_RATE
        for name, weights in item["weights"].items():
            weights = np.asarray(weights, dtype=np.float64)
            if len(modalities) > 1:
                weights = weights * weights.shape[-1]
            _line(upper, name, weights, item["segment_seconds"], seconds, looks[name])
        _picture(lower, np.asarray(item["spectrogram"], dtype=np.float32))
        for axes in (upper, lower):
            for border in np.arange(item["segment_seconds"], seconds, item["segment_seconds"]):
                axes.axvline(border, color=style.GREY, linewidth=0.6, linestyle=(0, (3, 2)))
        style.style_axes(upper, text, "", "weight\n× frames" if len(modalities) > 1 else "weight")
        style.style_axes(lower, "", "time (s)", "frequency (kHz)")
        upper.margins(y=0.15)
        upper.set_ylim(bottom=0)
        upper.yaxis.set_major_locator(MaxNLocator(2))
        upper.yaxis.get_offset_text().set_fontsize(style.SMALL)
        lower.set(xlim=(0, seconds), ylim=(0, KILOHERTZ), yticks=[0, 2, 4])
    figure.align_ylabels(list(grid.ravel()))
    if modalities:
        legend_below(figure, [_entry(name, look) for name, look in looks.items()])
    return finalize_figure(figure, title)


def moments(shape: tuple[int, int], segment_seconds: float) -> np.ndarray:
    """The center time of each frame in its segment, in seconds, [segments, frames].

    Example
    -------
    >>> moments((2, 3), 3.0).tolist()
    [[0.5, 1.5, 2.5], [3.5, 4.5, 5.5]]
    """
    segments, frames = shape
    inside = (np.arange(frames) + 0.5) / frames
    return (np.arange(segments)[:, None] + inside) * segment_seconds


def _line(
    axes: Axes, name: str, weights: np.ndarray, segment_seconds: float, seconds: float, look: dict
) -> None:
    if weights.ndim != 2:
        raise ValueError(
            f"weights of {name!r} have shape {weights.shape}; allowed: [segments, frames]"
        )
    times = moments(weights.shape, segment_seconds)
    # After the end there is only padding, which belongs to no frame.
    weights = np.where(times < seconds, weights, np.nan)
    # Each segment has its own attention weights, so no line joins segments.
    gap = ((0, 0), (0, 1))
    times = np.pad(times, gap, mode="edge").ravel()
    weights = np.pad(weights, gap, constant_values=np.nan).ravel()
    axes.plot(times, weights, label=name, linewidth=0.9, markersize=2.5, **look)


def _picture(axes: Axes, spectrogram: np.ndarray) -> None:
    if spectrogram.ndim != 2:
        raise ValueError(f"a spectrogram has shape {spectrogram.shape}; allowed: [bins, frames]")
    extent = (0, spectrogram.shape[1] * FRAME_SECONDS, 0, KILOHERTZ)
    shades: dict[str, Any] = {"cmap": style.SEQUENTIAL, "vmin": 0, "vmax": 1}
    axes.imshow(spectrogram, extent=extent, origin="upper", aspect="auto", **shades)


def _entry(name: str, look: dict) -> Line2D:
    label = wrap_text(f"weights of {name}", style.WIDTH)
    return Line2D([], [], label=label, linewidth=0.9, markersize=3, **look)
