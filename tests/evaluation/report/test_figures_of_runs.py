"""Figures of what a run left show it as it was: embeddings, its epochs, weights of frames."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex

from camser.evaluation.report.figures.attention import attention, moments
from camser.evaluation.report.figures.learning_curves import curves, median
from camser.evaluation.report.figures.tsne import embedded, tsne
from tests.helpers.run_files import LABELS
from tests.helpers.sample_figures import EMOTIONS, item, vectors

# t-SNE ---------------------------------------------------------------------------------------


def test_each_emotion_has_its_colour_and_marker_in_every_panel(made):
    figure = made["tsne"]
    assert len(figure.axes) == 2
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == LABELS[:3]  # nobody is neutral
    shown = {handle.get_label(): handle for handle in legend.legend_handles}
    for axes in figure.axes:
        assert [c.get_label() for c in axes.collections] == LABELS[:3]
        for points in axes.collections:
            assert len(points.get_offsets()) == EMOTIONS.count(points.get_label()) == 8
            handle = shown[points.get_label()]
            assert to_hex(points.get_facecolor()[0]) == to_hex(handle.get_facecolor()[0])
    paths = [c.get_paths()[0].vertices.tobytes() for c in figure.axes[0].collections]
    assert len(set(paths)) == 3


def test_the_embedding_ignores_constant_features_sizes_and_shifts():
    features = vectors().astype(np.float32)
    constant = np.full((24, 2), 0.1, dtype=np.float32)
    points = embedded(features, seed=1)
    assert points.shape == (24, 2)
    np.testing.assert_array_equal(points, embedded(np.hstack([constant, features]), seed=1))
    # A power of two is exact, so that nothing but the standardising could differ.
    np.testing.assert_array_equal(points, embedded(4 * features, seed=1))
    nearest = np.linalg.norm(points[:, None] - points, axis=-1).argsort(axis=1)[:, 1]
    assert (nearest % 3 == np.arange(24) % 3).mean() > 0.9  # clusters stay clusters


def test_an_embedding_needs_one_vector_per_utterance():
    with pytest.raises(ValueError, match="'a': 24 vectors, 23 emotions"):
        tsne({"a": vectors()}, EMOTIONS[:23], LABELS)


# Curves --------------------------------------------------------------------------------------


def test_curves_hold_every_run_the_median_and_the_best_epochs(made):
    losses, scores = made["curves"].axes
    thick = {
        n.get_label(): n for axes in (losses, scores) for n in axes.lines if n.get_zorder() > 2
    }
    assert list(thick) == ["train loss", "valid loss", "valid WA", "valid UA"]
    thin = [n for n in scores.lines if n not in thick.values()]
    assert len(thin) == 3 * 2 and len(losses.lines) == (3 + 1) * 2
    np.testing.assert_allclose(thin[1].get_ydata(), np.arange(1, 7))  # percent
    # Two of three runs have a sixth epoch, only one a seventh.
    assert thick["valid loss"].get_xdata().tolist() == [1, 2, 3, 4, 5, 6]
    middle = [0.01, 0.02, 0.03, 0.04, (0.05 + 0.55) / 2, (0.06 + 0.56) / 2]
    np.testing.assert_allclose(thick["train loss"].get_ydata(), middle)
    assert min(n.get_linewidth() for n in thick.values()) > max(n.get_linewidth() for n in thin)
    dots = [d.get_offsets()[0].tolist() for d in losses.collections]
    np.testing.assert_allclose(dots, [[2, 0.02], [3, 0.03], [10, 0.6]])
    dots = [d.get_offsets()[0].tolist() for d in scores.collections]
    np.testing.assert_allclose(dots, [[2, 2], [3, 3], [10, 60]] * 2)


def test_an_even_half_of_the_runs_still_has_a_median():
    runs = [{"epoch": np.arange(1, n + 1), "x": np.arange(n) * 1.0} for n in (1, 2, 3, 4)]
    epochs, values = median(runs, "x")
    assert epochs.tolist() == [1, 2, 3] and values.tolist() == [0, 1, 2]


def test_a_history_without_a_column_is_refused():
    with pytest.raises(ValueError, match="a history has no column 'valid_loss'; start the run"):
        curves([([{"epoch": "1", "train_loss": "1"}], 1)])


# Attention -----------------------------------------------------------------------------------


def test_weights_sit_in_the_middle_of_their_share_and_padding_is_absent():
    figure = attention([item(4.0, frames=6)])  # of the second segment one second is speech
    upper, lower = figure.axes
    (line,) = [n for n in upper.lines if n.get_label() == "weights of wav2vec2"]
    times, weights = (np.asarray(v, dtype=float) for v in line.get_data())
    there = np.isfinite(weights)
    np.testing.assert_allclose(times[there], [0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75])
    assert weights[there].tolist() == [1] * 6 + [2] * 2
    assert not there[6]  # no line joins the segments
    for axes in (upper, lower):
        borders = [n for n in axes.lines if n.get_label() != "weights of wav2vec2"]
        assert [n.get_xdata()[0] for n in borders] == [3.0]
        assert axes.get_xlim() == (0, 4.0)
    np.testing.assert_allclose(moments((1, 2), 3.0), [[0.75, 2.25]])


def test_low_frequencies_are_at_the_bottom_of_the_spectrogram():
    (image,) = attention([item(2.0)]).axes[1].images
    assert image.get_extent() == [0, 2.0, 0, 4.0] and image.origin == "upper"
    assert image.get_array()[0, 0] == 1 and image.get_array()[-1, 0] == 0


def test_items_are_two_axes_each_and_modalities_share_one_legend():
    items = [item(1.0 + i) for i in range(3)]
    items[1]["weights"] = {"mfcc": np.ones((1, 90)), **items[1]["weights"]}
    figure = attention(items)
    assert len(figure.axes) == 6
    (legend,) = figure.legends
    names = [t.get_text() for t in legend.get_texts()]
    assert names == ["weights of wav2vec2", "weights of mfcc"]
    with pytest.raises(ValueError, match=r"a: x has shape \(3,\)"):
        attention([item() | {"weights": {"x": np.ones(3)}}])


def test_weights_of_few_frames_and_of_many_are_of_one_size():
    even = {name: np.full((2, n), 1 / n) for name, n in (("mfcc", 300), ("spectrogram", 6))}
    several, alone = (
        attention([item() | {"weights": {name: even[name] for name in names}}]).axes[0]
        for names in (even, ["spectrogram"])
    )
    assert several.get_ylabel() == "weight\n× frames" and alone.get_ylabel() == "weight"
    for name in even:
        (line,) = [n for n in several.lines if n.get_label() == f"weights of {name}"]
        drawn = np.asarray(line.get_ydata())
        np.testing.assert_allclose(drawn[np.isfinite(drawn)], 1)
    (line,) = [n for n in alone.lines if n.get_label() == "weights of spectrogram"]
    assert np.nanmax(line.get_ydata()) == 1 / 6
