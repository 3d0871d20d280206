"""The figures: each function takes plain data and returns a matplotlib figure."""

from camser.evaluation.report.figures.attention import attention
from camser.evaluation.report.figures.confusion import confusion
from camser.evaluation.report.figures.distributions import distributions
from camser.evaluation.report.figures.groups import compare, groups
from camser.evaluation.report.figures.layers import layers
from camser.evaluation.report.figures.learning_curves import curves
from camser.evaluation.report.figures.reliability import reliability
from camser.evaluation.report.figures.style import save
from camser.evaluation.report.figures.tsne import tsne

__all__ = [
    "attention", "compare", "confusion", "curves", "distributions", "groups", "layers",
    "reliability", "save", "tsne",
]  # fmt: skip
