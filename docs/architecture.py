#!/usr/bin/env python3
"""The paper's system from a waveform to a decision: a figure, with the shape at every arrow.

    python docs/architecture.py

All text stands on light boxes, so the figure can be read on a light and on a dark page.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parent / "architecture.svg"
WIDTH, HEIGHT = 1035, 375  # pixels
INPUT, ENCODER, FUSION, HEAD = "#e6e8eb", "#cfe3f7", "#fbe3c0", "#d8ecd4"
INK, LINE, PAPER = "#1f2328", "#7d8590", "#f3f4f6"


class Box(NamedTuple):
    """A step: its center, its size, its color, and lines of text, of which the first is bold."""

    x: float
    y: float
    width: float
    color: str
    lines: tuple[str, ...]

    @property
    def height(self) -> float:
        return 14 + 18 * len(self.lines)


BOXES = {
    "recording": Box(70, 40, 110, INPUT, ("recording", "16 kHz, mono")),
    "segments": Box(70, 180, 110, INPUT, ("segments", "of 3 s, filtered")),
    "mfcc": Box(285, 40, 150, ENCODER, ("MFCC", "bidirectional LSTM")),
    "spectrogram": Box(285, 180, 150, ENCODER, ("spectrogram", "AlexNet")),
    "wav2vec2": Box(285, 320, 150, ENCODER, ("wav2vec2", "transformer")),
    "project mfcc": Box(510, 40, 110, FUSION, ("flatten", "project: eq. 1")),
    "project spectrogram": Box(510, 180, 110, FUSION, ("flatten", "project: eq. 2")),
    "weights": Box(700, 180, 160, FUSION, ("co-attention", "frame weights: eq. 4")),
    "weighted": Box(700, 320, 160, FUSION, ("weighted sum: eq. 5", "project")),
    "fused": Box(935, 40, 170, FUSION, ("concatenate: eq. 6",)),
    "hidden": Box(935, 110, 170, HEAD, ("hidden layers",)),
    "mean": Box(935, 180, 170, HEAD, ("mean over segments",)),
    "head": Box(935, 250, 170, HEAD, ("linear, log-softmax",)),
    "decision": Box(935, 328, 170, INPUT, ("decision", "e.g. angry")),
}


class Arrow(NamedTuple):
    """What flows along a line: its shape, the place of that text, and the line's points."""

    shape: str
    at: tuple[float, float]
    points: tuple[tuple[float, float], ...]


ARROWS = (
    Arrow("samples", (70, 110), ((70, 65), (70, 155))),
    Arrow("", (0, 0), ((125, 180), (170, 180), (170, 40), (210, 40))),
    Arrow("", (0, 0), ((125, 180), (170, 180), (170, 320), (210, 320))),
    Arrow("48000", (170, 180), ((125, 180), (210, 180))),
    Arrow("300 × 512", (404, 40), ((360, 40), (455, 40))),
    Arrow("6 × 1536", (404, 180), ((360, 180), (455, 180))),
    Arrow("149 × 768", (492, 320), ((360, 320), (620, 320))),
    Arrow("128", (705, 40), ((565, 40), (850, 40))),
    Arrow("", (0, 0), ((594, 40), (594, 173), (620, 173))),
    Arrow("128", (594, 187), ((565, 187), (620, 187))),
    Arrow("149", (700, 250), ((700, 205), (700, 295))),
    Arrow("128", (815, 320), ((780, 320), (815, 320), (815, 52), (850, 52))),
    Arrow("128", (772, 110), ((540, 155), (540, 110), (795, 110), (795, 46), (850, 46))),
    Arrow("384", (965, 75), ((935, 56), (935, 94))),
    Arrow("128", (965, 145), ((935, 126), (935, 164))),
    Arrow("128", (965, 215), ((935, 196), (935, 234))),
    Arrow("4", (965, 287), ((935, 266), (935, 303))),
)


def draw_box(box: Box) -> str:
    """A rounded box with centered lines."""
    left, top = box.x - box.width / 2, box.y - box.height / 2
    shapes = [
        f'<rect x="{left:g}" y="{top:g}" width="{box.width:g}" height="{box.height:g}" rx="6" '
        f'fill="{box.color}" stroke="{LINE}"/>'
    ]
    for number, line in enumerate(box.lines):
        weight = "" if number else ' font-weight="bold"'
        y = top + 21 + 18 * number
        shapes.append(f'<text x="{box.x:g}" y="{y:g}"{weight}>{escape(line)}</text>')
    return "".join(shapes)


def draw_arrow(arrow: Arrow) -> str:
    """A line with a head."""
    points = " ".join(f"{x:g},{y:g}" for x, y in arrow.points)
    line = f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="2"'
    return f'{line} marker-end="url(#head)"/>'


def draw_shape(arrow: Arrow) -> str:
    """The shape of what flows along an arrow."""
    if not arrow.shape:
        return ""
    (x, y), width = arrow.at, 12 + 7.2 * len(arrow.shape)
    ground = f'<rect x="{x - width / 2:g}" y="{y - 10:g}" width="{width:g}" height="20" rx="10"'
    text = f'<text x="{x:g}" y="{y + 4:g}" font-size="12">{arrow.shape}</text>'
    return f'{ground} fill="{PAPER}"/>{text}'


def figure() -> str:
    """The figure as SVG."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="14" text-anchor="middle" '
        f'fill="{INK}" role="img">'
    )
    title = "<title>From a waveform to a decision: encoders, co-attention and head</title>"
    marker = (
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" '
        f'markerHeight="6" orient="auto"><path d="M0 0L10 5L0 10z" fill="{LINE}"/></marker></defs>'
    )
    shapes = [draw_arrow(arrow) for arrow in ARROWS]
    shapes += [draw_box(box) for box in BOXES.values()]
    shapes += [drawn for arrow in ARROWS if (drawn := draw_shape(arrow))]
    return "\n".join([head, title, marker, *shapes, "</svg>"]) + "\n"


if __name__ == "__main__":
    FILE.write_text(figure(), encoding="utf-8")
