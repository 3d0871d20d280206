"""A report's page: every figure, no other file, and the words on optimistic scores."""

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from camser.evaluation.report import plots, tables
from camser.evaluation.report.collect import collect
from camser.evaluation.report.comparisons import pairwise_tests_table, selection_bias_table
from camser.evaluation.report.table_1 import table_1
from camser.evaluation.report.write import write_report
from tests.helpers.run_files import OPTIMISTIC, add_arrays, make


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    """A report of ``runs``."""
    return write_report(collect([runs]), tmp_path_factory.mktemp("report"))


def test_a_report_has_every_figure_and_its_page_needs_no_other_file(page):
    names = {path.stem.split("held_out-")[-1] for path in page.parent.glob("*held_out*.png")}
    assert names == {
        "variants-UA", "variants-WA", "confusion", "reliability", "groups", "tsne", "attention",
        "curves-all_concat", "curves-all_coatt",
    }  # fmt: skip
    for path in page.parent.glob("*.svg"):
        ElementTree.parse(path)
        assert path.with_suffix(".png").stat().st_size > 5000
    sources, tags = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            tags.append(tag)
            sources.extend(v for k, v in attributes if k in ("src", "href"))

    Reader().feed(page.read_text())
    assert sources and all(s.startswith("data:image/svg+xml;base64,") for s in sources)
    assert "script" not in tags and tags.count("table") >= 8
    told = json.loads((page.parent / "report.json").read_text())
    assert told["sections"][0]["variants"]["all_coatt"]["pooled"]["num_utterances"] == 96


def test_all_that_is_selected_on_the_test_fold_says_so(runs, page):
    honest, biased = collect([runs])
    for make_table in (tables.main_table, tables.fold_table, tables.class_table,
                       tables.group_table, pairwise_tests_table):  # fmt: skip
        assert OPTIMISTIC in make_table(biased).caption
    assert OPTIMISTIC not in tables.fold_table(honest).caption
    leak = selection_bias_table(honest, biased)
    assert sum(OPTIMISTIC in cell for cell in leak.header) == 2
    shown = dict(zip(leak.header, leak.rows[0], strict=True))
    one, other = (
        {run.key: run.results["WA"] for run in section.variants["all_coatt"].runs}
        for section in (honest, biased)
    )
    gap = np.mean([other[key] - one[key] for key in other])
    assert shown["runs"] == "4"
    assert shown["gap WA"] == f"{100 * gap:+.1f}"
    mine = [row for row in table_1([honest, biased]).rows if "all_coatt" in row[0]]
    assert [OPTIMISTIC in row[4] for row in mine] == [False, True]
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", page.with_suffix(".md").read_text())
    assert {OPTIMISTIC in caption for caption, name in pictures if "test_fold" in name} == {True}


@pytest.mark.parametrize("fusion", [pytest.param("concat", marks=pytest.mark.slow), "co_attention"])
def test_one_variant_alone_is_not_compared_with_itself(tmp_path, fusion):
    add_arrays(make(tmp_path, "alone", fusion=fusion))
    page = write_report(collect([tmp_path]), tmp_path / "report")
    assert "tsne" in page.with_suffix(".md").read_text()
    svg = next(page.parent.glob("*tsne.svg")).read_text()
    assert "co-attention" not in svg and "alone" in svg


def test_frame_weights_are_shown_whichever_variant_has_them(tmp_path):
    for fusion in ("gated", "attentive", "low_rank", "concat"):
        place = make(tmp_path, fusion, fusion=fusion)
        if fusion == "attentive":
            add_arrays(place)
    (section,) = collect([tmp_path])
    assert list(section.variants) == ["concat", "attentive", "gated", "low_rank"]
    assert section.main.name == "low_rank"
    ((_, caption, _),) = plots._attention(section)
    assert caption == "Frame weights of attentive over the spectrogram."


@pytest.mark.slow
def test_odd_names_break_neither_page(tmp_path):
    odd = "a|b <script>*`[x](y)"
    make(tmp_path, odd), make(tmp_path, "a b"), make(tmp_path, "a+b")
    page = write_report(collect([tmp_path]), tmp_path / "report")
    assert "<script>" not in page.read_text()
    told = page.with_suffix(".md").read_text()
    assert r"a\|b \<script\>\*\`[x\](y)" in told  # in tables
    assert r"a\|b \<script\>\*\`(x)(y)" in told  # in captions, where brackets end a link
    assert len(set(re.findall(r"\((\S*curves\S*png)\)", told))) == 3
