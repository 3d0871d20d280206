"""t-SNE of utterances' vectors, by emotion (fig. 2 of Zou et al., 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from camser.evaluation.report.figures import layout, style

MAX_VECTOR_POINTS = 2000  # more points make an SVG too slow to view, so they are rasterized
MIN_POINTS = 5


def tsne(
    panels: Mapping[str, np.ndarray], emotions: Sequence[str], labels: Sequence[str],
    title: str = "",
) -> Figure:  # fmt: skip
    """A scatter plot of each panel's vectors, colored by emotion.

    Arguments
    ---------
    panels : mapping of str to array
        By title, [utterances, features]: at least 5 utterances and 2 features that vary.
    emotions : sequence of str
        [utterances], the true emotions.
    labels : sequence of str
        The emotions in the order of the legend, which omits those that do not occur.
    title : str
        Above all panels.

    Raises
    ------
    ValueError
        If the utterances of a panel are not as many as the emotions.
    """
    columns = min(2, len(panels))
    width = style.WIDTH if columns == 2 else 4.5
    figure, grid = layout.panel_figure([*panels], columns, 0.85 * width / columns, width)
    for axes, (name, features) in zip(grid[:, 0], panels.items(), strict=True):
        if len(features) != len(emotions):
            raise ValueError(f"{name!r}: {len(features)} vectors, {len(emotions)} emotions")
        points = embedded(features)
        look = {
            "s": float(np.clip(4000 / len(points), 5, 24)),  # square points
            "rasterized": len(points) > MAX_VECTOR_POINTS,
            "alpha": 0.85, "edgecolors": "white", "linewidths": 0.25,
        }  # fmt: skip
        for number, label in enumerate(labels):
            selected = points[np.asarray(emotions) == label]
            if len(selected):
                shape = style.series_style(number)
                look |= {"color": shape["color"], "marker": shape["marker"]}
                axes.scatter(*selected.T, label=layout.wrap_text(label, style.WIDTH), **look)
        axes.set(xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)")
        axes.set_aspect("equal", adjustable="datalim")
        axes.set(xticks=[], yticks=[])  # distances between clusters mean nothing
        axes.spines[:].set(visible=True, linewidth=0.6, color=style.GREY)
    layout.legend_below(figure)
    return layout.finalize_figure(figure, title)


def embedded(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """The t-SNE of standardized features (van der Maaten and Hinton, 2008), without constant ones.

    [utterances, features] -> [utterances, 2]
    """
    features = np.asarray(features, dtype=np.float32)
    features = features[:, np.ptp(features, axis=0) > 0]
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    perplexity = min(30.0, (len(features) - 1) / 3)
    # Threads sum in varying order, and each rounding difference changes the t-SNE picture.
    with threadpool_limits(limits=1):
        method = TSNE(init="pca", perplexity=perplexity, random_state=seed)
        return method.fit_transform(features)
