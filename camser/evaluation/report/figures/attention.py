"""Attention weights of frames above the spectrograms of the recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from camser.evaluation.report.figures import layout, style

SAMPLE_RATE = 16000  # of ``camser.audio``, which would import PyTorch
FRAME_SECONDS, KILOHERTZ = 0.01, 4.0
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

    Raises
    ------
    ValueError
        If a spectrogram or weights are not two-dimensional.
    """
    modalities = list(dict.fromkeys(name for item in items for name in item["weights"]))
    titles = [item["title"] for item in items]
    figure, grid = layout.panel_figure(titles, min(2, len(items)), 1.55, width, heights=(1, 2))
    for (upper, lower), item in zip(grid, items, strict=True):
        seconds, segment_seconds = item["samples"] / SAMPLE_RATE, item["segment_seconds"]
        for name, array in {"the spectrogram": item["spectrogram"], **item["weights"]}.items():
            if np.ndim(array) != 2:
                shape = np.shape(array)
                raise ValueError(f"{item['title']}: {name} has shape {shape}; allowed: 2 sizes")
        for name, weights in item["weights"].items():
            num_frames = np.shape(weights)[1]
            look = style.series_style(modalities.index(name))
            if num_frames > FEW:
                look["marker"] = "none"
            scale = num_frames if len(modalities) > 1 else 1
            label = layout.wrap_text(f"weights of {name}", style.WIDTH)
            line = _line(scale * np.asarray(weights, dtype=float), segment_seconds, seconds)
            upper.plot(*line, label=label, linewidth=0.9, markersize=2.5, **look)
        extent = (0, np.shape(item["spectrogram"])[1] * FRAME_SECONDS, 0, KILOHERTZ)
        shades: dict[str, Any] = {"cmap": style.SEQUENTIAL, "vmin": 0, "vmax": 1, "aspect": "auto"}
        lower.imshow(item["spectrogram"], extent=extent, origin="upper", **shades)
        for axes in (upper, lower):
            for border in np.arange(segment_seconds, seconds, segment_seconds):
                axes.axvline(border, color=style.GREY, linewidth=0.6, linestyle=(0, (3, 2)))
        upper.set_ylabel("weight\n× frames" if len(modalities) > 1 else "weight")
        upper.margins(y=0.15)
        upper.set_ylim(bottom=0)
        upper.yaxis.set_major_locator(MaxNLocator(2))
        upper.yaxis.get_offset_text().set_fontsize(style.SMALL)
        lower.set(xlabel="time (s)", ylabel="frequency (kHz)")
        lower.set(xlim=(0, seconds), ylim=(0, KILOHERTZ), yticks=[0, 2, 4])
    figure.align_ylabels(list(grid.ravel()))
    if modalities:
        layout.legend_below(figure)
    return layout.finalize_figure(figure, title)


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
    weights: np.ndarray, segment_seconds: float, seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """Times and weights of all segments in a row."""
    times = moments(weights.shape, segment_seconds)
    # After the end there is only padding, which belongs to no frame.
    weights = np.where(times < seconds, weights, np.nan)
    # Each segment has its own attention weights, so no line joins segments.
    gap = ((0, 0), (0, 1))
    weights = np.pad(weights, gap, constant_values=np.nan)
    return np.pad(times, gap, mode="edge").ravel(), weights.ravel()
