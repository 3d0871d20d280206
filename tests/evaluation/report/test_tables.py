"""A report's tables: rows, groups, pairs, and the published numbers beside them."""

import numpy as np
import pytest

from camser.evaluation.report import published, tables
from camser.evaluation.report.collect import ReportError, collect
from camser.evaluation.report.comparisons import pairwise_tests_table
from camser.evaluation.report.write import update_readme_table
from tests.helpers.run_files import LABELS, OPTIMISTIC, make, settings


def test_the_main_table_stands_beside_the_published_one(runs, tmp_path):
    table = tables.main_table(collect([runs])[0])
    named = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    row = named["all_coatt: MFCC+Spectrogram+W2E (w/ co-att)"]
    assert (row["published WA"], row["published UA"]) == ("71.64", "72.70")
    assert row["runs"] == "4 of 4 folds, 2 seeds"
    folds = [f["WA"] for f in collect([runs])[0].variants["all_coatt"].folds.values()]
    assert row["WA"] == f"{100 * np.mean(folds):.1f} ± {100 * np.std(folds, ddof=1):.1f}"
    assert OPTIMISTIC in table.caption  # the published numbers are
    other = collect([make(tmp_path, "x", corpus="emodb")])[0]
    assert "published WA" not in tables.main_table(other).header


def test_every_row_of_table_2_is_one_of_the_ablation():
    assert list(published.TABLE_2)[-1] == published.WHOLE and len(published.TABLE_2) == 10


def test_published_numbers_stand_beside_their_own_system_alone():
    def beside(corpus="iemocap", protocol="leave_one_speaker_out", labels=LABELS, **change):
        asked = settings(0, 1, fusion=change.pop("fusion", "co_attention"))
        asked["encoders"]["wav2vec2"] |= change
        return published.published_scores(asked, corpus, protocol, labels)

    assert beside() == (71.64, 72.70) and beside(fusion="concat") == (67.22, 67.81)
    assert beside(source="local/wav2vec2-base-960h/") == (71.64, 72.70)
    for other in (
        beside(source="microsoft/wavlm-base"), beside(source=None), beside(corpus="emodb"),
        beside(protocol="leave_one_session_out"), beside(labels=[*LABELS, "calm"]),
        beside(plugin="whisper"),
    ):  # fmt: skip
        assert other is None
    for fusion in ("gated", "low_rank", "attentive"):
        assert published.row_name(settings(0, 1, fusion=fusion)) is None
    wavlm = settings(0, 1)
    wavlm["encoders"]["wav2vec2"]["source"] = "microsoft/wavlm-base"
    assert published.row_name(wavlm) == "MFCC+Spectrogram+wavlm-base (w/ co-att)"


def test_groups_and_texts_are_told(runs):
    section = collect([runs])[0]
    rows = {row[0]: row[1:] for row in tables.group_table(section).rows}
    assert {name.split(":")[0] for name in rows} == {"gender", "style", "length", "text"}
    assert "length: under 2 s (n = 4)" in rows and "text: new text (n = 32)" in rows
    assert list(rows)[:3] == [*sorted(list(rows)[:2]), "length: under 2 s (n = 4)"]
    assert tables.text_note(section).startswith("16 of 48 tested utterances (33.3 %)")


def test_pairs_are_tested_on_shared_folds_and_one_seed(runs):
    section = collect([runs])[0]
    row = dict(
        zip(
            pairwise_tests_table(section).header, pairwise_tests_table(section).rows[0], strict=True
        )
    )
    one, other = (section.variants[n].folds for n in ("all_concat", "all_coatt"))
    delta = [one[f]["WA"] - other[f]["WA"] for f in one]
    assert row["ΔWA"] == f"{100 * np.mean(delta):+.1f} ± {100 * np.std(delta, ddof=1):.1f}"
    right = [
        {r["id"]: r["label"] == r["prediction"] for run in section.variants[n].runs
         if run.results["seed"] == 1 for r in run.predictions}
        for n in ("all_concat", "all_coatt")
    ]  # fmt: skip
    only = [sum(a[i] and not b[i] for i in a) for a, b in (right, right[::-1])]
    assert row["only one right"] == f"{only[0]} / {only[1]}"


def test_uneven_seeds_are_told_and_utterances_counted_once(tmp_path):
    for fold, seed in ((0, 1), (0, 2), (1, 1)):
        make(tmp_path, "a", fold, seed)
    make(tmp_path, "b", 1, 2)
    section = collect([tmp_path])[0]
    assert tables.main_table(section).rows[0][1] == "2 of 2 folds, 1–2 seeds"
    assert "gender: male (n = 12)" in {row[0] for row in tables.group_table(section).rows}
    assert pairwise_tests_table(section).rows[0][-2:] == [
        "–",
        "–",
    ]  # no seed is shared on a shared fold


def test_a_fold_without_a_class_is_marked(tmp_path):
    make(tmp_path, "a", 0)
    make(tmp_path, "a", 1, truths=["angry", "sad", "neutral"] * 3)
    table = tables.fold_table(collect([tmp_path])[0])
    assert table.rows[1][0] == "iemocap/1 †(happy)" and "UA is over the others" in table.caption
    assert "†" not in table.rows[0][0]


def test_the_main_table_goes_between_a_readmes_marks(runs, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- table -->\nstale\n<!-- end -->\nafter\n")
    update_readme_table(collect([runs]), readme)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "stale" not in text
    for section in collect([runs]):
        assert tables.main_table(section).caption in text
    update_readme_table(collect([runs]), readme)
    assert readme.read_text() == text
    readme.write_text("before\n<!-- table -->\n<!-- end -->\nafter\n")
    update_readme_table(collect([runs]), readme)
    assert readme.read_text() == text
    readme.write_text("nothing")
    with pytest.raises(
        ReportError, match="has no lines <!-- table --> and <!-- end -->; add both to it"
    ):
        update_readme_table(collect([runs]), readme)
