"""A report's figures show the numbers that they were given, legibly, and the same each time."""

import colorsys
import itertools

import numpy as np
import pytest
from conftest import ROOT

matplotlib = pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex, to_rgb  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.text import Text  # noqa: E402

from camser.report.figures import style  # noqa: E402
from camser.report.figures.attention import attention, moments  # noqa: E402
from camser.report.figures.confusion import confusion, ink  # noqa: E402
from camser.report.figures.curves import curves, median  # noqa: E402
from camser.report.figures.groups import compare, groups  # noqa: E402
from camser.report.figures.layout import wrapped  # noqa: E402
from camser.report.figures.reliability import reliability  # noqa: E402
from camser.report.figures.tsne import embedded, tsne  # noqa: E402

LABELS = ["angry", "sad", "happy", "neutral"]
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
HISTORIES = {"fold 0": history(4), "fold 1": history(6), "fold 2": history(10, 0.5)}
MAKERS = {
    "confusion": lambda: confusion({LONG: COUNTS, "without": COUNTS, "b": COUNTS}, LABELS, LONG),
    "tsne": lambda: tsne({LONG: vectors(), "with": vectors(1)}, EMOTIONS, LABELS, title=LONG),
    "curves": lambda: curves(HISTORIES, {"fold 1": 3}, LONG),
    "attention": lambda: attention([item(4.0, title=LONG), item(9.0, 50)], LONG),
    "reliability": lambda: reliability({LONG: bins(), "b": bins()}, LONG),
    "groups": lambda: groups(GROUPS, {"gender": {LONG: {"WA": (0.5, 0.9)}}}, LONG),
    "compare": lambda: compare(ROWS, 0.25, "macro-F1", LONG),
}


@pytest.fixture(scope="module")
def made():
    """Each figure, made once."""
    return {name: make() for name, make in MAKERS.items()}


def texts(where):
    return [t.get_text() for t in where.findobj(Text) if t.get_visible() and t.get_text()]


def drawn_texts(figure):
    """The texts that a reader sees: no labels of ticks outside the axes."""
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                    hidden |= {tick.label1, tick.label2}
    found = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    return [t for t in found if t not in hidden]


# The look ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_texts_overlap_nowhere_and_none_is_cut_off(made, name):
    figure = made[name]
    figure.draw_without_rendering()  # only this gives a legend's texts their places
    boxes = [(t, t.get_window_extent()) for t in drawn_texts(figure)]
    assert len(boxes) > 8
    for text, box in boxes:
        # Half a point: the width of an antialiased edge.
        slack = 0.5 * figure.dpi / 72
        assert box.x0 > -slack and box.y0 > -slack, text
        assert box.x1 < figure.bbox.x1 + slack and box.y1 < figure.bbox.y1 + slack, text
    upright = [(t, b) for t, b in boxes if t.get_rotation() in (0, 90)]
    for (one, box), (other, second) in itertools.combinations(upright, 2):
        assert not box.padded(-0.5).overlaps(second), (one, other)


@pytest.mark.parametrize("name", MAKERS)
def test_figures_fit_a_page_and_no_letter_is_too_small(made, name):
    figure = made[name]
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() <= style.WIDTH + 1e-9
    assert min(t.get_fontsize() for t in drawn_texts(figure)) >= style.TINY


@pytest.mark.parametrize("name", ["confusion", "tsne", "attention"])
def test_the_same_data_give_the_same_bytes(made, name, tmp_path):
    # Hatches and meshes, random numbers, pictures: what could differ from one time to another.
    first = style.save(made[name], tmp_path / "first", name)
    assert first == {kind: tmp_path / "first" / f"{name}.{kind}" for kind in ("png", "svg")}
    assert first["png"].read_bytes()[:4] == b"\x89PNG"
    second = style.save(MAKERS[name](), tmp_path / "second", name)
    for kind, path in first.items():
        assert path.read_bytes() == second[kind].read_bytes(), kind
    assert len(list(tmp_path.rglob("*"))) == 2 + 4  # nothing else is left


def test_saving_twice_changes_nothing_and_names_no_moment_and_no_version(made, tmp_path):
    before = dict(matplotlib.rcParams)
    first = style.save(made["compare"], tmp_path, "a")
    kept = {kind: path.read_bytes() for kind, path in first.items()}
    again = style.save(made["compare"], tmp_path, "a")
    assert kept == {kind: path.read_bytes() for kind, path in again.items()}
    for content in kept.values():
        assert matplotlib.__version__.encode() not in content and b"dc:date" not in content
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_not_used():
    for path in (ROOT / "camser/report/figures").glob("*.py"):
        lines = path.read_text().splitlines()
        assert not [n for n in lines if "import" in n and "pyplot" in n and '"""' not in n], path


def test_no_two_looks_are_the_same_and_grey_print_tells_them_apart():
    looks = [style.look(i) for i in range(12)]
    assert len({(s["color"], s["marker"]) for s in looks}) == 12
    assert len({s["marker"] for s in looks[: len(style.MARKERS)]}) == len(style.MARKERS)
    assert len({str(s["linestyle"]) for s in looks[: len(style.LINES)]}) == len(style.LINES)
    # Visible on white, which has a lightness of 1.
    assert all(colorsys.rgb_to_hls(*to_rgb(color))[1] < 0.72 for color in style.PALETTE)


def lab(rgb):
    """sRGB [..., 3] to CIELAB."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = linear @ np.array(to_xyz).T / [0.9505, 1.0, 1.089]
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def test_the_colour_map_is_perceptually_uniform():
    colors = lab(style.SEQUENTIAL(np.linspace(0, 1, 33))[:, :3])
    assert (np.diff(colors[:, 0]) < 0).all()  # ever darker, so that grey print keeps the order
    steps = np.linalg.norm(np.diff(colors, axis=0), axis=1)
    assert steps.max() < 1.3 * steps.min()  # 256 colours of 8 bits leave a step that uneven


def test_wrapped_lines_fit_and_lose_nothing():
    for inches in (1.0, 2.0, 6.0):
        text = wrapped(LONG, inches, style.NORMAL)
        assert text.replace("\n", " ") == LONG
        widths = [len(line) * style.NORMAL * 0.6 / 72 for line in text.split("\n")]
        assert max(widths) <= inches
    assert wrapped("$x$", 2.0) == r"\$x\$"


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
    assert [p.get_xy() for p in axes.patches if p.get_hatch()] == [(k, 2) for k in range(4)]
    assert [t.get_text() for t in axes.get_yticklabels()] == LABELS
    assert axes.get_ylim() == (4, 0)  # the first label at the top
    assert not any(p.get_hatch() for p in figure.axes[1].patches)


def test_ink_stands_out_from_every_ground():
    def luminance(color):
        rgb = np.array(to_rgb(color))
        return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [
            0.2126, 0.7152, 0.0722]  # fmt: skip

    for share in np.linspace(0, 1, 41):
        ground = style.SEQUENTIAL(share)
        dark, light = sorted((luminance(ground), luminance(ink(ground))))
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # what WCAG 2 asks of text


@pytest.mark.parametrize("size, panels", [(4, 3), (7, 2), (9, 1)])
def test_any_number_of_matrices_and_classes_fits(size, panels):
    labels = [f"class{k}" for k in range(size)]
    counts = np.arange(size * size).reshape(size, size)
    figure = confusion({f"fold {i}": counts for i in range(panels)}, labels)
    assert len(figure.axes) == panels + 1 and figure.get_figwidth() <= style.WIDTH + 1e-9
    longest = max(figure.axes[0].texts, key=lambda t: len(t.get_text()) * t.get_fontsize())
    assert longest.get_window_extent().width < figure.axes[0].bbox.width / size


def test_counts_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"'a': counts of shape \(2, 2\).*allowed: \(4, 4\)"):
        confusion({"a": np.eye(2)}, LABELS)
    with pytest.raises(ValueError, match="panels is empty"):
        confusion({}, LABELS)


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
    with pytest.raises(ValueError, match="best epoch 9 of run 'a'"):
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


# Reliability ---------------------------------------------------------------------------------


def test_bars_are_accuracies_and_gaps_and_empty_bins_have_none():
    upper, lower = reliability({"camser": bins()}).axes
    assert upper.get_title() == "camser\nECE 12.3 %"
    gaps = [p for p in upper.patches if p.get_hatch()]
    bars = [p for p in upper.patches if not p.get_hatch()]
    assert [p.get_x() for p in bars] == [25, 50, 75]
    np.testing.assert_allclose([p.get_height() for p in bars], [50, 60, 70])
    np.testing.assert_allclose([p.get_height() for p in gaps], [-10, 0, 20], atol=1e-9)
    np.testing.assert_allclose([p.get_y() for p in gaps], [50, 60, 70])
    assert [p.get_height() for p in lower.patches] == [0, 10, 20, 30]
    assert [[0, 100], [0, 100]] in [[list(v) for v in n.get_data()] for n in upper.lines]
    with pytest.raises(ValueError, match="'a': 5 edges, 4 confidences, 3 accuracies"):
        reliability({"a": bins() | {"accuracy": np.ones(3)}})


# Groups and variants -------------------------------------------------------------------------


def test_groups_are_dots_in_percent_with_their_numbers(made):
    speaker, gender = made["groups"].axes
    dots = [line.get_xdata()[0] for line in speaker.lines]
    np.testing.assert_allclose(dots, [v for i in range(5) for v in (10 * i, 5 * i)])
    rows = [line.get_ydata()[0] for line in speaker.lines]
    assert np.round(rows).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [t.get_text() for t in speaker.texts] == [f"n = {i}" for i in range(5)]
    assert speaker.get_ylim() == (4.5, -0.5)  # the first at the top
    (bar,) = [c for c in gender.collections if len(c.get_segments())]
    np.testing.assert_allclose(bar.get_segments()[0][:, 0], [50, 90])
    low, high = gender.get_xlim()
    assert low < 0 and high > 100 and (low, high) == speaker.get_xlim()
    with pytest.raises(ValueError, match="scores of 'speaker' is empty"):
        groups({"speaker": {}})


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
    with pytest.raises(ValueError, match="rows is empty"):
        compare({})
