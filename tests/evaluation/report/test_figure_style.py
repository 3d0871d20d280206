"""A report's figures are legible, in colour and in grey, and the same each time."""

import colorsys
import itertools

import numpy as np
import pytest

from tests.helpers.recipe_runs import ROOT

matplotlib = pytest.importorskip("matplotlib")

from matplotlib.colors import to_rgb  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.text import Text  # noqa: E402

from camser.evaluation.report.figures import style  # noqa: E402
from camser.evaluation.report.figures.layout import wrap_text  # noqa: E402
from tests.helpers.sample_figures import LONG, MAKERS  # noqa: E402


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
    for path in (ROOT / "camser/evaluation/report/figures").glob("*.py"):
        lines = path.read_text().splitlines()
        assert not [n for n in lines if "import" in n and "pyplot" in n and '"""' not in n], path


def test_no_two_looks_are_the_same_and_grey_print_tells_them_apart():
    looks = [style.series_style(i) for i in range(12)]
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
        text = wrap_text(LONG, inches, style.NORMAL)
        assert text.replace("\n", " ") == LONG
        widths = [len(line) * style.NORMAL * 0.6 / 72 for line in text.split("\n")]
        assert max(widths) <= inches
    assert wrap_text("$x$", 2.0) == r"\$x\$"
