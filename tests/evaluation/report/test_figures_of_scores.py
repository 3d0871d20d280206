"""Figures of scores show the numbers that they were given: by class, confidence, group, variant."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import to_rgb
from matplotlib.text import Text

from camser.evaluation.report.figures import style
from camser.evaluation.report.figures.confusion import confusion
from tests.helpers.run_files import LABELS
from tests.helpers.sample_figures import COUNTS

# Confusion -----------------------------------------------------------------------------------


def test_cells_say_share_and_count_and_a_row_without_utterances_a_dash():
    figure = confusion({"with": COUNTS, "without": np.eye(4, dtype=int)}, LABELS)
    assert len(figure.axes) == 3  # two panels and a colour bar
    axes = figure.axes[0]
    cells = {(int(t.get_position()[1]), int(t.get_position()[0])): [] for t in axes.texts}
    for text in axes.texts:
        x, y = text.get_position()
        cells[int(y), int(x)].append(text.get_text())
    assert cells[0, 0] == ["90.0 %", "90"] and cells[1, 2] == ["30.0 %", "3"]
    assert cells[3, 3] == ["66.7 %", "2"] and cells[0, 3] == ["0.0 %", "0"]
    assert [cells[2, k] for k in range(4)] == [["–"]] * 4
    shown = axes.collections[0].get_array().mask
    assert shown[2].all() and not np.delete(shown, 2, axis=0).any()
    assert [t.get_text() for t in axes.get_yticklabels()] == LABELS
    assert axes.get_ylim() == (4, 0)  # the first label at the top
    assert not np.ma.is_masked(figure.axes[1].collections[0].get_array())


def test_ink_stands_out_from_every_ground():
    def luminance(color):
        rgb = np.array(to_rgb(color))
        return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [
            0.2126, 0.7152, 0.0722]  # fmt: skip

    counts = np.array([[share, 100 - share] for share in range(100)])
    figure = confusion({"a": np.pad(counts, ((0, 0), (0, 98)))}, list(map(str, range(100))))
    texts = [t for t in figure.axes[0].texts if t.get_position()[0] == 0.5]
    assert {t.get_color() for t in texts} == {"black", "white"}
    for text in texts:
        ground = style.SEQUENTIAL(int(text.get_position()[1]) / 100)
        dark, light = sorted((luminance(ground), luminance(text.get_color())))
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # what WCAG 2 asks of text


@pytest.mark.parametrize("size, panels", [(4, 3), (7, 2), (9, 1)])
def test_any_number_of_matrices_and_classes_fits(size, panels):
    labels = [f"class{k}" for k in range(size)]
    counts = np.arange(size * size).reshape(size, size)
    figure = confusion({f"fold {i}": counts for i in range(panels)}, labels)
    assert len(figure.axes) == panels + 1 and figure.get_figwidth() <= style.WIDTH + 1e-9
    longest = max(figure.axes[0].texts, key=lambda t: len(t.get_text()) * t.get_fontsize())
    assert longest.get_window_extent().width < figure.axes[0].bbox.width / size


# Reliability ---------------------------------------------------------------------------------


def test_bars_are_accuracies_and_gaps_and_empty_bins_have_none(made):
    upper, lower = made["reliability"].axes[1], made["reliability"].axes[3]
    assert upper.get_title() == "b\nECE 12.3 %"
    gaps = [p for p in upper.patches if p.get_hatch()]
    bars = [p for p in upper.patches if not p.get_hatch()]
    assert [p.get_x() for p in bars] == [25, 50, 75]
    np.testing.assert_allclose([p.get_height() for p in bars], [50, 60, 70])
    np.testing.assert_allclose([p.get_height() for p in gaps], [-10, 0, 20], atol=1e-9)
    np.testing.assert_allclose([p.get_y() for p in gaps], [50, 60, 70])
    assert [p.get_height() for p in lower.patches] == [0, 10, 20, 30]
    assert [[0, 100], [0, 100]] in [[list(v) for v in n.get_data()] for n in upper.lines]


# Groups and variants -------------------------------------------------------------------------


def test_groups_are_dots_in_percent_with_their_numbers(made):
    speaker, gender = made["groups"].axes
    weighted, unweighted = speaker.lines
    np.testing.assert_allclose(weighted.get_xdata(), [0, 10, 20, 30, 40])
    np.testing.assert_allclose(unweighted.get_xdata(), [0, 5, 10, 15, 20])
    for line in speaker.lines:
        assert np.round(line.get_ydata()).tolist() == [0, 1, 2, 3, 4]
    assert [t.get_text() for t in speaker.texts] == [f"n = {i}" for i in range(5)]
    assert speaker.get_ylim() == (4.5, -0.5)  # the first at the top
    low, high = gender.get_xlim()
    assert low < 0 and high > 100 and (low, high) == speaker.get_xlim()


def texts(where):
    return [t.get_text() for t in where.findobj(Text) if t.get_visible() and t.get_text()]


def test_variants_are_folds_a_diamond_an_interval_and_chance(made):
    (axes,) = made["compare"].axes
    assert axes.get_xlabel() == "macro-F1 (%)"
    by_marker = {m: [n for n in axes.lines if n.get_marker() == m] for m in ("o", "D")}
    assert [n.get_xdata().tolist() for n in by_marker["o"]] == [[50, 60, 60], [40]]
    folds = by_marker["o"][0].get_xydata()
    assert len(np.unique(folds, axis=0)) == 3  # equal folds do not hide one another
    np.testing.assert_allclose([n.get_xdata()[0] for n in by_marker["D"]], [58, 40])
    (bar,) = [c for c in axes.collections if len(c.get_segments())]
    np.testing.assert_allclose(bar.get_segments()[0][:, 0], [50, 70])
    assert [25, 25] in [list(n.get_xdata()) for n in axes.lines]
    names = [t.get_text() for t in made["compare"].legends[0].get_texts()]
    assert names[0] == "one fold" and names[-1] == "chance"
    assert r"w/o \$x\$ and \$y" in texts(axes)
