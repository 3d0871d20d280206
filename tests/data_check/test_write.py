"""The page needs no other file and escapes names; the JSON has the same."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from camser.data_check.check import check_labels
from camser.data_check.source import read_labels
from camser.data_check.tables import tables
from camser.data_check.write import summary, verdict, write_json, write_page
from tests.data_check.conftest import write_table


class Reader(HTMLParser):
    """Collects tags, addresses and texts."""

    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page(planted, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "data.html"
    write_page(planted, path)
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def test_the_page_has_all_findings_tables_and_figures_and_no_other_file(planted, page):
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.addresses)
    assert len(page.addresses) == page.tags.count("img") == 9
    assert not {"script", "link", "iframe"} & {*page.tags}
    for finding in planted.findings:
        assert f"{finding.severity}: {finding.name}." in page.text
        assert finding.sentence in page.text and finding.remedy in page.text
    shown = [*tables(planted)]
    assert page.tags.count("table") == len(shown)
    assert all(table.caption in page.text for table in shown)
    assert {table.header[0] for table in shown} == {
        "class", "file form", "split", "speaker", "property", "recording",
    }  # fmt: skip


def test_every_row_of_a_table_is_as_wide_as_its_header(planted):
    for table in tables(planted):
        assert {len(row) for row in table.rows} <= {len(table.header)}, table.caption


def test_the_json_has_the_same(planted, tmp_path):
    write_json(planted, tmp_path / "data.json")
    found = json.loads((tmp_path / "data.json").read_text(encoding="utf-8"))
    assert [f["sentence"] for f in found["findings"]] == [f.sentence for f in planted.findings]
    assert found["summary"] == summary(planted)
    assert [t["rows"] for t in found["tables"]] == [
        [list(row) for row in table.rows] for table in tables(planted)
    ]
    assert len(found["recordings"]) == 133
    one = found["recordings"][0]
    assert one["form"]["sample_rate"] == 16000 and one["measures"]["pitch_hz"] > 60
    assert sum(one["guess"].values()) == pytest.approx(1, abs=1e-3)


def test_odd_names_are_text(copy, tmp_path):
    folder, rows = copy
    for row in rows:
        row["emotion"] = f"<b>{row['emotion']}</b>"
        row["speaker"] = f"{row['speaker']}\x1b[2J<script>"
    check = check_labels(read_labels({"source": str(write_table(folder, rows))}))
    write_page(check, tmp_path / "data.html")
    text = (tmp_path / "data.html").read_text(encoding="utf-8")
    assert "<script>" not in text and "<b>" not in text and "&lt;b&gt;angry" in text


def test_where_nothing_was_found_it_says_so(planted):
    assert verdict([]) == "Nothing was found."
    assert verdict(planted.findings).startswith("15 serious, ")
    assert "0.0 minutes" not in summary(replace(planted, recordings=[]))
