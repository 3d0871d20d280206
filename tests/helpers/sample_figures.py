"""What the tests of a report's figures draw: made-up numbers, and each figure of them."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from camser.evaluation.report.figures.attention import attention
from camser.evaluation.report.figures.confusion import confusion
from camser.evaluation.report.figures.distributions import distributions
from camser.evaluation.report.figures.groups import compare, groups
from camser.evaluation.report.figures.layers import layers
from camser.evaluation.report.figures.learning_curves import curves
from camser.evaluation.report.figures.reliability import reliability
from camser.evaluation.report.figures.tsne import tsne
from tests.helpers.run_files import LABELS

LONG = "IEMOCAP, leave one speaker out, all three modalities, selected on test fold (optimistic)"
COUNTS = [[90, 5, 5, 0], [1, 2, 3, 4], [0, 0, 0, 0], [0, 0, 1, 2]]
EMOTIONS = [LABELS[i % 3] for i in range(24)]


def vectors(seed=0):
    """[24, 6] in three clusters."""
    noise = np.random.default_rng(seed).normal(size=(24, 6))
    return noise + 5 * np.eye(6)[np.arange(24) % 3]


def history(epochs, start=0.0):
    """Rows as of a history.csv; every value is its epoch and ``start``."""
    names = ("train_loss", "valid_loss", "valid_WA", "valid_UA")
    rows = range(1, epochs + 1)
    return [{"epoch": str(e)} | {n: str(start + e / 100) for n in names} for e in rows]


def item(seconds=4.0, frames=6, title="a"):
    """Weights that are 1 in the first segment, 2 in the second, ..., and a spectrogram."""
    segments = int(np.ceil(seconds / 3))
    weights = np.arange(1.0, segments + 1)[:, None].repeat(frames, axis=1)
    picture = np.linspace(1, 0, 20)[:, None].repeat(int(seconds * 100), axis=1)
    return {
        "title": title, "spectrogram": picture.astype(np.float16), "segment_seconds": 3.0,
        "samples": int(seconds * 16000), "weights": {"wav2vec2": weights},
    }  # fmt: skip


def bins():
    """Four bins of confidences, the first empty."""
    nan = float("nan")
    return {
        "edges": np.linspace(0, 1, 5), "confidence": np.array([nan, 0.4, 0.6, 0.9]),
        "accuracy": np.array([nan, 0.5, 0.6, 0.7]), "count": np.array([0, 10, 20, 30]),
        "ece": 0.1234,
    }  # fmt: skip


GROUPS = {
    "speaker": {f"Ses0{i}F": {"WA": i / 10, "UA": i / 20, "num_utterances": i} for i in range(5)},
    "gender": {LONG: {"WA": 1.0, "UA": 0.0, "num_utterances": 1234}},
}
ROWS = {
    LONG: {"folds": [0.5, 0.6, 0.6], "pooled": 0.58, "interval": (0.5, 0.7)},
    "w/o $x$ and $y": {"folds": [0.4], "pooled": 0.4, "interval": None},
}
LAYERS = {name: [[0.5, 0.6], [0.7, 0.8], [0.75, 0.7], [0.7, 0.65]] for name in ("WA", "UA")}
HISTORIES = [(history(4), 2), (history(6), 3), (history(10, 0.5), 10)]
MAKERS = {
    "confusion": lambda: confusion({LONG: COUNTS, "without": COUNTS, "b": COUNTS}, LABELS, LONG),
    "tsne": lambda: tsne({LONG: vectors(), "with": vectors(1)}, EMOTIONS, LABELS, title=LONG),
    "curves": lambda: curves(HISTORIES, LONG),
    "attention": lambda: attention([item(4.0, title=LONG), item(9.0, 50)], LONG),
    "reliability": lambda: reliability({LONG: bins(), "b": bins()}, LONG),
    "layers": lambda: layers(LAYERS, {1: "best in 6 of 10", 2: "best in 4 of 10"}, LONG),
    "groups": lambda: groups(GROUPS, LONG),
    "distributions": lambda: distributions(
        {LONG: [1.0], "b": range(9), "c": [5, 5], "d": [0, 10]}, "pitch (Hz)"
    ),
    "compare": lambda: compare(ROWS, 0.25, "macro-F1", LONG),
}
