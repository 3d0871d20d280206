"""Figures of what a run left show it as it was: embeddings, its epochs, weights of frames."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex

from camser.evaluation.report.figures.attention import attention, moments
from camser.evaluation.report.figures.learning_curves import curves, median
from camser.evaluation.report.figures.tsne import embedded, tsne
from tests.helpers.run_files import LABELS
from tests.helpers.sample_figures import EMOTIONS, history, item, vectors

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
            assert to_hex(points.get_facecolor()[0]) == to_hex(handle.get_color())
    paths = [c.get_paths()[0].vertices.tobytes() for c in figure.axes[0].collections]
    assert len(set(paths)) == 3 and len({h.get_marker() for h in shown.values()}) == 3


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


def test_what_no_embedding_can_be_made_of_is_refused():
    with pytest.raises(ValueError, match="4 utterances; t-SNE needs at least 5"):
        tsne({"a": vectors()[:4]}, EMOTIONS[:4], LABELS)
    with pytest.raises(ValueError, match="'a': 24 vectors, 23 emotions"):
        tsne({"a": vectors()}, EMOTIONS[:23], LABELS)
    with pytest.raises(ValueError, match="every feature is constant"):
        embedded(np.ones((9, 3)))
    with pytest.raises(ValueError, match="emotion 'happy' is not among"):
        tsne({"a": vectors()}, EMOTIONS, LABELS[:2])
    assert embedded(vectors()[:5, :1]).shape == (5, 2)


# Curves --------------------------------------------------------------------------------------


def test_curves_hold_every_run_the_median_and_the_best_epochs(made):
    losses, scores = made["curves"].axes
    lines = {line.get_label(): line for line in [*losses.lines, *scores.lines]}
    assert len(lines) == (3 + 1) * 4
    np.testing.assert_allclose(lines["fold 1 valid_UA"].get_ydata(), np.arange(1, 7))  # percent
    np.testing.assert_allclose(lines["fold 1 valid_loss"].get_ydata(), np.arange(1, 7) / 100)
    # Two of three runs have a sixth epoch, only one a seventh.
    assert lines["median valid_loss"].get_xdata().tolist() == [1, 2, 3, 4, 5, 6]
    middle = [0.01, 0.02, 0.03, 0.04, (0.05 + 0.55) / 2, (0.06 + 0.56) / 2]
    np.testing.assert_allclose(lines["median train_loss"].get_ydata(), middle)
    thick = [n for n, line in lines.items() if line.get_linewidth() > 1]
    assert thick == [n for n in lines if n.startswith("median")]
    (dot,) = losses.collections
    np.testing.assert_allclose(dot.get_offsets(), [[3, 0.03]])
    np.testing.assert_allclose([d.get_offsets()[0] for d in scores.collections], [[3, 3], [3, 3]])


def test_an_even_half_of_the_runs_still_has_a_median():
    runs = {n: {"epoch": np.arange(1, n + 1), "x": np.arange(n) * 1.0} for n in (1, 2, 3, 4)}
    epochs, values = median(runs, "x")
    assert epochs.tolist() == [1, 2, 3] and values.tolist() == [0, 1, 2]


def test_histories_without_numbers_and_wrong_best_epochs_are_refused():
    with pytest.raises(ValueError, match="the history of 'a' is empty"):
        curves({"a": []}, {})
    with pytest.raises(ValueError, match=r"the history of 'a' is damaged.*needs numbers for"):
        curves({"a": [{"epoch": "1", "train_loss": "x"}]}, {})
    with pytest.raises(ValueError, match="best epoch 9 of run 'a' is not in the histories"):
        curves({"a": history(3)}, {"a": 9})


# Attention -----------------------------------------------------------------------------------


def test_weights_sit_in_the_middle_of_their_share_and_padding_is_absent():
    figure = attention([item(4.0, frames=6)])  # of the second segment one second is speech
    upper, lower = figure.axes
    (line,) = [n for n in upper.lines if n.get_label() == "wav2vec2"]
    times, weights = (np.asarray(v, dtype=float) for v in line.get_data())
    there = np.isfinite(weights)
    np.testing.assert_allclose(times[there], [0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75])
    assert weights[there].tolist() == [1] * 6 + [2] * 2
    assert not there[6]  # no line joins the segments
    for axes in (upper, lower):
        borders = [n for n in axes.lines if n.get_label() != "wav2vec2"]
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
    with pytest.raises(ValueError, match="weights of 'x' have shape"):
        attention([item() | {"weights": {"x": np.ones(3)}}])


def test_weights_of_few_frames_and_of_many_are_of_one_size():
    even = {name: np.full((2, n), 1 / n) for name, n in (("mfcc", 300), ("spectrogram", 6))}
    several, alone = (
        attention([item() | {"weights": {name: even[name] for name in names}}]).axes[0]
        for names in (even, ["spectrogram"])
    )
    assert several.get_ylabel() == "weight\n× frames" and alone.get_ylabel() == "weight"
    for name in even:
        (line,) = [n for n in several.lines if n.get_label() == name]
        drawn = np.asarray(line.get_ydata())
        np.testing.assert_allclose(drawn[np.isfinite(drawn)], 1)
    (line,) = [n for n in alone.lines if n.get_label() == "spectrogram"]
    assert np.nanmax(line.get_ydata()) == 1 / 6
