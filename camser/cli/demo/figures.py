"""The page's figures: SVG text that adapts to the page: light or dark, wide or narrow.

A figure is drawn twice, for a desktop's width and for a phone's; the stylesheet shows one.
"""

from __future__ import annotations

import html
import io
import re
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camser.audio import SAMPLE_RATE
from camser.cli.demo.analysis import Analysis
from camser.evaluation.report.figures import attention, layout, style
from camser.inference import Timeline

WIDTHS = {"wide": 9.0, "narrow": 3.3}  # inches, of which a screen has about 110 pixels each
MINUTES = 120  # seconds; from this length, the axis shows minutes


def color(index: int) -> str:
    """The CSS color of the ``index``-th emotion, the same in bars and figures."""
    return _ink(style.series_style(index)["color"].lower())


def timeline_figure(analysis: Analysis, timeline: Timeline, threshold: float) -> str:
    """The waveform with its turns, and below it the probabilities over the same time.

    Arguments
    ---------
    analysis : Analysis
        The recording's.
    timeline : Timeline
        Smoothed or not.
    threshold : float
        Windows with less confidence belong to no turn.

    Returns
    -------
    str
        HTML.
    """
    labels = ", ".join(timeline.labels)
    alt = f"Probabilities of {labels} along {timeline.seconds:.1f} seconds, over the waveform"
    return _both(lambda width: _timeline(analysis, timeline, threshold, width), alt)


def attention_figure(analysis: Analysis) -> str:
    """The attention weights over the spectrogram of the recording's beginning, as HTML."""
    item = {
        "title": "",
        "spectrogram": analysis.spectrogram,
        "samples": analysis.shown_seconds * SAMPLE_RATE,
        "weights": analysis.weights,
        "segment_seconds": analysis.segment_seconds,
    }
    names = ", ".join(analysis.weights)
    alt = f"Weights of {names} over the spectrogram of {analysis.shown_seconds:.1f} seconds"
    return _both(lambda width: attention([item], width=width), alt)


def _timeline(analysis: Analysis, timeline: Timeline, threshold: float, width: float) -> Figure:
    figure = style.new_figure(width, 3.1)
    upper, lower = layout.panel_axes(figure, 1, 1, heights=(2, 3))[0]
    looks = {name: style.series_style(number) for number, name in enumerate(timeline.labels)}
    _waveform(upper, analysis)
    spans = defaultdict(list)  # by emotion: an hour may have thousands
    for turn in timeline.turns(threshold):
        spans[turn.emotion].append((turn.start, turn.end - turn.start))
    for name, turns in spans.items():
        shade = {"color": looks[name]["color"], "alpha": 0.25, "linewidth": 0}
        upper.broken_barh(turns, (0, 1), transform=upper.get_xaxis_transform(), **shade)
    # Not drawn without speech. A value holds until the next: the last one is repeated for that.
    values = np.where(timeline.speech[:, None] > 0, timeline.probabilities, np.nan)
    values = np.concatenate([values, values[-1:]])
    lines = [
        lower.plot(
            timeline.edges,
            values[:, number],
            drawstyle="steps-post",
            linewidth=1.4,
            linestyle=look["linestyle"],
            color=look["color"],
            label=layout.wrap_text(name, width),
        )[0]
        for number, (name, look) in enumerate(looks.items())
    ]
    if threshold > 0:
        lower.axhline(threshold, color=style.GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    style.style_axes(upper, ylabel="waveform")
    style.style_axes(lower, xlabel="time", ylabel="probability")
    upper.set_yticks([])
    lower.set(xlim=(0, timeline.seconds), ylim=(-0.02, 1.02), yticks=[0, 0.5, 1])
    lower.xaxis.set_major_formatter(_clock if timeline.seconds >= MINUTES else "{x:g} s")
    layout.legend_below(figure, lines)
    return layout.finalize_figure(figure)


def _waveform(axes: Axes, analysis: Analysis) -> None:
    low, high = analysis.envelope.T
    times = np.arange(len(low)) * analysis.bin_seconds
    axes.fill_between(times, low, high, step="post", color=style.GREY, linewidth=0.3)
    peak = max(0.01, float(np.abs(analysis.envelope).max()))
    axes.set_ylim(-1.05 * peak, 1.05 * peak)


def _clock(seconds: float, _: int | None = None) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _both(draw: Callable[[float], Figure], alt: str) -> str:
    """A figure at each width, as HTML with one alternative text."""
    return "".join(
        f'<div class="drawn {name}" role="img" aria-label="{html.escape(alt)}">'
        f"{_svg(draw(width))}</div>"
        for name, width in WIDTHS.items()
    )


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, dpi=110, metadata=style.METADATA["svg"])
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"(\.\d\d)\d+(?=[ \"\n])", r"\1", text)  # a hundredth of a point is enough
    return re.sub(r"(?<=: )#[0-9a-f]{6}\b", lambda match: _ink(match[0]), text)


def _ink(color: str) -> str:
    """A color that the stylesheet can replace on a dark page."""
    return f"var(--ink-{color[1:]}, {color})"
