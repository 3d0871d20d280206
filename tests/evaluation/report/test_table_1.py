"""The paper's Table 1 beside rebuilds, on the paper's utterances and on those of the others."""

import pytest

from camser.evaluation.report.collect import collect
from camser.evaluation.report.published import subset
from camser.evaluation.report.table_1 import HEADER, MERGED, OWN, OWN_SECTION, SYSTEMS, table_1
from camser.evaluation.report.write import write_report
from tests.helpers.run_files import make

SHARES = {"angry": 0.199, "happy": 0.296, "sad": 0.196, "neutral": 0.309}  # of the 5531
IMPROVISED = {"styles": ["improvised"], "merge_labels": {}}


def rows_of(table):
    return {(row[0], row[1]): dict(zip(HEADER, row, strict=True)) for row in table.rows}


@pytest.fixture
def runs(tmp_path):
    counts = {"parameters": {"total": {"total": 9300421, "trained": 9300421}}}
    for fold in range(4):
        make(tmp_path / "merged", "acrnn", fold, more=counts)
        make(tmp_path / "merged", "hnsd", fold)
    make(tmp_path / "merged", "tf_cnn")
    make(tmp_path / "merged", "is09")
    make(tmp_path / "biased", "seqcap", selection="test_fold")
    for fold in range(4):
        make(tmp_path / "own", "acrnn", fold, manifest="improvised", **IMPROVISED)
    return tmp_path


def test_a_rebuild_stands_beside_its_row_on_both_subsets(runs):
    sections = collect([runs])
    rows = rows_of(table_1(sections))
    by_protocol = {s.protocol: s for s in sections if s.selection == "held_out"}
    assert set(by_protocol) == {"leave_one_speaker_out", f"leave_one_speaker_out, {OWN_SECTION}"}
    acrnn = rows["3D ACRNN", "10 speakers"]
    assert acrnn["published WA / UA"] == "– / 64.74" and acrnn["parameters here"] == "9 300 421"
    assert (acrnn["of"], acrnn["selection"]) == (OWN, "validation speaker")
    columns = {"WA / UA here": "leave_one_speaker_out"}
    columns["of its subset"] = f"leave_one_speaker_out, {OWN_SECTION}"
    for column, protocol in columns.items():
        folds = by_protocol[protocol].variants["acrnn"].folds.values()
        means = [100 * sum(f[s] for f in folds) / len(folds) for s in ("WA", "UA")]
        assert acrnn[column] == f"{means[0]:.1f} / {means[1]:.1f} (n 48)"
    hnsd = rows["HNSD", "10 speakers"]
    assert hnsd["of"] == MERGED
    assert hnsd["WA / UA here"] == hnsd["of its subset"] != "–"
    assert rows["CNN_TF_Att.pooling", "10 speakers"]["WA / UA here"].endswith("(n 12, 1/4)")


def test_a_rebuild_under_the_other_protocol_has_no_printed_value(runs):
    rows = rows_of(table_1(collect([runs])))
    is09 = rows["IS09 - classification", "10 speakers"]
    assert is09["published WA / UA"] == "–" and is09["WA / UA here"].endswith("1/4)")
    assert rows["IS09 - classification", "5 sessions"]["WA / UA here"] == "–"
    assert ("Audio25", "10 speakers") not in rows


def test_what_was_selected_on_the_test_fold_is_not_honest(runs):
    rows = rows_of(table_1(collect([runs])))
    assert rows["CNN GRU-SeqCap", "10 speakers"]["WA / UA here"] == "–"
    ours = rows["CA-MSER", "10 speakers"]
    assert ours["selection"] == "test fold" and ours["WA / UA here"] == "–"


def test_a_subset_has_a_section_of_its_own_without_published_values(runs, tmp_path):
    page = write_report(collect([runs]), tmp_path / "report").with_suffix(".md").read_text()
    assert f"Iemocap, leave one speaker out, {OWN_SECTION}, epoch chosen on held-out data" in page
    assert list((tmp_path / "report").glob("iemocap-leave_one_speaker_out-improvised-*"))
    assert subset("emodb", {"merge_labels": {}}) == ""
    assert subset("iemocap", {"merge_labels": {}}) == "excited left out"
    assert subset("iemocap", {"merge_labels": {"excited": "happy"}}) == ""


def test_wa_can_exceed_ua_by_as_much_as_is_printed_only_on_the_subset_that_is_given():
    most = sum(max(0.0, share - 0.25) for share in SHARES.values())  # of one set of utterances
    assert round(100 * most, 1) == 10.5
    differences = {
        system.name: system.WA - system.UA
        for systems in SYSTEMS.values()
        for system in systems
        if system.WA is not None and system.subset == MERGED
    }
    assert all(difference < 100 * most for difference in differences.values())
    assert differences["HNSD"] == pytest.approx(-2.0)
    (seqcap,) = (s for s in SYSTEMS["leave_one_speaker_out"] if s.variant == "seqcap")
    assert 100 * most < seqcap.WA - seqcap.UA and seqcap.subset == OWN
