"""t-SNE of utterances' vectors, by emotion (fig. 2 of Zou et al., 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from camser.evaluation.report.figures import style
from camser.evaluation.report.figures.layout import (
    check_some,
    finalize_figure,
    inches_of,
    legend_below,
    panel_axes,
    wrap_text,
)

MAX_VECTOR_POINTS = 2000  # more points make an SVG too slow to view, so they are rasterized
MIN_POINTS = 5


def tsne(
    panels: Mapping[str, np.ndarray],
    emotions: Sequence[str],
    labels: Sequence[str],
    seed: int = 0,
    title: str = "",
) -> Figure:
    """A scatter plot of each panel's vectors, colored by emotion.

    Arguments
    ---------
    panels : mapping of str to array
        By title, [utterances, features].
    emotions : sequence of str
        [utterances], the true emotions.
    labels : sequence of str
        The emotions in the order of the legend, which omits those that do not occur.
    seed : int
        The seed of the embedding.
    title : str
        Above all panels.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there are no panels, or an emotion is not among the labels; if a panel's utterances are
        fewer than 5 or not as many as the emotions, or all its features are constant.
    """
    check_some(panels=panels)
    emotions = np.asarray(emotions)
    if unknown := set(emotions.tolist()) - set(labels):
        raise ValueError(f"emotion {min(unknown)!r} is not among the labels {list(labels)}")
    for name, features in panels.items():
        if len(features) != len(emotions):
            raise ValueError(f"{name!r}: {len(features)} vectors, {len(emotions)} emotions")
    columns = min(2, len(panels))
    width = style.WIDTH if columns == 2 else 4.5
    titles = [wrap_text(name, width / columns - 0.4) for name in panels]
    rows = -(-len(panels) // columns)
    figure = style.new_figure(width, rows * (width / columns * 0.85 + inches_of(titles)) + 0.3)
    grid = panel_axes(figure, len(panels), columns)[:, 0]
    for axes, text, features in zip(grid, titles, panels.values(), strict=True):
        points = embedded(features, seed)
        for number, label in enumerate(labels):
            if len(selected := points[emotions == label]):
                axes.scatter(*selected.T, s=_area(len(points)), label=label, **_dot(number, points))
        style.style_axes(axes, text, "t-SNE 1 (no unit)", "t-SNE 2 (no unit)")
        axes.set_aspect("equal", adjustable="datalim")
        axes.set(xticks=[], yticks=[])  # distances between clusters mean nothing
        axes.spines[:].set(visible=True, linewidth=0.6, color=style.GREY)
    legend_below(figure, [_entry(n, e) for n, e in enumerate(labels) if e in emotions])
    return finalize_figure(figure, title)


def embedded(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """The t-SNE of standardized features (van der Maaten and Hinton, 2008), without constant ones.

    [utterances, features] -> [utterances, 2]
    """
    features = np.asarray(features, dtype=np.float32)
    if len(features) < MIN_POINTS:
        raise ValueError(f"{len(features)} utterances; t-SNE needs at least {MIN_POINTS}")
    features = features[:, np.ptp(features, axis=0) > 0]
    if not features.shape[1]:
        raise ValueError("every feature is constant, so all utterances are the same point")
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    if features.shape[1] == 1:  # the embedding starts from two principal components
        features = np.pad(features, ((0, 0), (0, 1)))
    perplexity = min(30.0, (len(features) - 1) / 3)
    # Threads sum in varying order, and each rounding difference changes the t-SNE picture.
    with threadpool_limits(limits=1):
        method = TSNE(init="pca", perplexity=perplexity, random_state=seed)
        return method.fit_transform(features)


def _area(num_points: int) -> float:
    """The area of a marker, in square points; it shrinks with more points."""
    return float(np.clip(4000 / num_points, 5, 24))


def _dot(number: int, points: np.ndarray) -> dict:
    shape = {name: style.series_style(number)[name] for name in ("color", "marker")}
    return {**shape, "alpha": 0.85, "edgecolors": "white", "linewidths": 0.25,
            "rasterized": len(points) > MAX_VECTOR_POINTS}  # fmt: skip


def _entry(number: int, emotion: str) -> Line2D:
    shape = {**style.series_style(number), "linestyle": "none"}
    return Line2D([], [], label=wrap_text(emotion, style.WIDTH), markersize=5, **shape)
