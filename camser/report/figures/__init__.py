"""The figures: each takes plain data and gives a matplotlib figure."""

from camser.report.figures.attention import attention
from camser.report.figures.confusion import confusion
from camser.report.figures.curves import curves
from camser.report.figures.groups import compare, groups
from camser.report.figures.reliability import reliability
from camser.report.figures.style import save
from camser.report.figures.tsne import tsne

__all__ = [
    "attention",
    "compare",
    "confusion",
    "curves",
    "groups",
    "reliability",
    "save",
    "tsne",
]
