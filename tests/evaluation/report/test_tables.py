"""A report's tables: rows, groups, pairs, and the published numbers beside them."""

import itertools
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import t as student

from camser.config.settings import read_arguments
from camser.evaluation.bootstrap import bootstrap_difference
from camser.evaluation.report import published, tables
from camser.evaluation.report.collect import ReportError, collect
from camser.evaluation.report.comparisons import pairwise_tests_table
from camser.evaluation.report.runs import SCORES, ProtocolResults, RunRecord, VariantResults
from camser.evaluation.report.table_1 import table_1
from camser.evaluation.report.write import update_readme_table
from camser.evaluation.statistics import holm
from camser.experiment.resume import result_settings
from camser.runtime.digests import add_digest
from tests.helpers.recipe_runs import ROOT
from tests.helpers.run_files import LABELS, OPTIMISTIC, make, settings

ABLATION = ROOT / "recipes/IEMOCAP/hparams/ablation.yaml"


def by_row(table):
    """The cells of each row by the header."""
    return {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}


def test_the_main_table_stands_beside_the_published_one(runs, tmp_path):
    table = tables.main_table(collect([runs])[0])
    row = by_row(table)["all_coatt: MFCC+Spectrogram+W2E (w/ co-att)"]
    assert row["published WA / UA"] == "71.64 / 72.70"
    assert row["runs"] == "4 of 4 folds, 2 seeds"
    folds = [f["WA"] for f in collect([runs])[0].variants["all_coatt"].folds.values()]
    assert row["WA"] == f"{100 * np.mean(folds):.1f} ± {100 * np.std(folds, ddof=1):.1f}"
    assert OPTIMISTIC in table.caption  # the published numbers are
    other = collect([make(tmp_path, "x", corpus="emodb")])[0]
    assert "published WA / UA" not in tables.main_table(other).header


def test_some_folds_of_the_protocol_are_marked_and_have_no_published_value(tmp_path):
    for fold in range(3):
        make(tmp_path, "a", fold, num_protocol_folds=10)
    for fold in range(5):
        make(tmp_path, "b", fold, num_protocol_folds=10, fusion="concat")
    section = collect([tmp_path])[0]
    table = tables.main_table(section)
    few, more = (by_row(table)[f"{name}: {published.row_name(section.variants[name].settings)}"]
                 for name in "ab")  # fmt: skip
    assert few["runs"] == "3 of 10 folds (incomplete)"
    assert few["published WA / UA"] == "– †2" and "†2 3 of 10 folds." in table.caption
    assert more["published WA / UA"] == "– †1" and "†1 5 of 10 folds." in table.caption
    assert few["pooled WA [95 %]"].endswith(" [–]") and few["pooled UA [95 %]"].endswith(" [–]")
    assert more["pooled WA [95 %]"].endswith("]") and "–" not in more["pooled WA [95 %]"]
    assert "[–]: no interval, because fewer than 5 speakers were tested" in table.caption
    left_out = "Left out: a, epoch chosen on held-out data, leave one speaker out (3 of 10 folds)."
    assert table_1([section]).caption.endswith(left_out)
    assert not [row for row in table_1([section]).rows if row[0] == "a"]


def test_results_of_an_earlier_version_do_not_know_the_number_of_folds(tmp_path):
    path = make(tmp_path, "a") / "results.json"
    found = json.loads(path.read_text())
    del found["num_protocol_folds"]
    path.write_text(json.dumps(add_digest(found)))
    table = tables.main_table(collect([tmp_path])[0])
    assert table.rows[0][1] == "1 of an unknown number of folds" and table.rows[0][-1] == "– †1"
    assert table.caption.endswith("†1 1 of an unknown number of folds.")


@pytest.mark.parametrize("variant", yaml.safe_load(ABLATION.read_text())["variants"])
def test_the_recipes_of_the_paper_are_the_published_system(variant, tmp_path):
    arguments = [str(ABLATION), f"--variant={variant}", f"--data_folder={tmp_path}"]
    asked = result_settings(read_arguments(arguments, ROOT).values)
    assert beside(settings=asked) == " / ".join(
        f"{v:.2f}" for v in published.TABLE_2[published.table_2_row(asked)]
    )


def beside(settings, labels=LABELS):
    """The published values beside a complete run, or why there are none."""
    results = {"labels": labels, "num_protocol_folds": 1, "fold": 0, "seed": 1, "fold_name": "x"}
    results |= {"settings": settings, **dict.fromkeys(SCORES, 0.5)}
    row = {"label": "sad", "prediction": "sad", "speaker": "x"}
    run = RunRecord(Path("x"), results, [row])
    variant = VariantResults("x", [run])
    section = ProtocolResults("iemocap", published.PROTOCOL_2, "held_out", {"x": variant})
    table = tables.main_table(section)
    value = table.rows[0][-1]
    return table.caption.partition(" †1 ")[2].rstrip(".") if value == "– †1" else value


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"source": "local/wav2vec2-base-960h/"}, None),
        ({"source": "microsoft/wavlm-base"}, "other weights"),
        ({"source": None, "config": {"model_type": "wav2vec2"}}, "other sizes, weights"),
        ({"freeze": "all"}, "other settings"),
        ({"plugin": "whisper"}, "not in Table 2"),
    ],
)
def test_published_numbers_stand_beside_their_own_encoders_alone(change, reasons):
    asked = settings(0, 1)
    asked["encoders"]["wav2vec2"] |= change
    assert beside(asked) == (reasons or "71.64 / 72.70")


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"fusion": "gated"}, "not in Table 2"),
        ({"number_of_epochs": 2, "segment_seconds": 2.0}, "other sizes, training"),
        ({"embedding_model": {"!apply:x": {"hidden_sizes": [64]}}}, "other sizes"),
        ({"merge_labels": {"excited": "neutral"}}, "other labels"),
        ({"utterance_rule": "max"}, "other settings"),
        ({"segment_hop_seconds": {"train": 1.0, "test": 1.0}}, "other sizes"),
        ({"label_smoothing": 0.1}, "other training"),
        ({"augment": {"!new:a.Augmenter": {}}}, "other training"),
        ({"schedule": {"warmup": 0.1}, "class_weights": "balanced"}, "other training"),
    ],
)
def test_published_numbers_stand_beside_their_own_settings_alone(change, reasons):
    assert beside(settings(0, 1) | settings(0, 1, **change)) == reasons
    assert beside(settings(0, 1), [*LABELS, "calm"]) == "other labels"


def test_rows_are_named_as_in_the_paper():
    assert list(published.TABLE_2)[-1] == published.WHOLE and len(published.TABLE_2) == 10
    for fusion in ("gated", "low_rank", "attentive"):
        assert published.row_name(settings(0, 1, fusion=fusion)) is None
    wavlm = settings(0, 1)
    wavlm["encoders"]["wav2vec2"]["source"] = "microsoft/wavlm-base"
    assert published.row_name(wavlm) == "MFCC+Spectrogram+wavlm-base (w/ co-att)"


def test_the_cost_of_each_variant(tmp_path):
    counts = {"mfcc": {"total": 5, "trained": 4}, "total": {"total": 1234567, "trained": 4}}
    more = {"parameters": counts, "segment_flops": 46_000_000_000, "test_seconds": 3.0}
    make(tmp_path, "a", 0, more=more), make(tmp_path, "a", 1, more=more | {"test_seconds": 4.0})
    make(tmp_path, "b", 0)
    assert tables.cost_table(collect([tmp_path])[0]).rows == [
        ["a", "1 234 567", "4", "46 000 000 000", "1.0", "3.5"],
        ["b", "–", "–", "–", "1.0", "–"],
    ]


def test_groups_and_texts_are_told(runs):
    section = collect([runs])[0]
    rows = {row[0]: row[1:] for row in tables.group_table(section).rows}
    assert {name.split(":")[0] for name in rows} == {"gender", "style", "length", "text"}
    assert "length: under 2 s (n = 4)" in rows and "text: new text (n = 32)" in rows
    assert list(rows)[:3] == [*sorted(list(rows)[:2]), "length: under 2 s (n = 4)"]
    assert tables.text_note(section).startswith("16 of 48 tested utterances (33.3 %)")


def test_pairs_are_tested_on_shared_folds_and_one_seed(runs):
    section = collect([runs])[0]
    table = pairwise_tests_table(section)
    (texts,) = table.rows
    row = dict(zip(table.header, texts, strict=True))
    one, other = (section.variants[n].folds for n in ("all_concat", "all_coatt"))
    delta = [one[f]["WA"] - other[f]["WA"] for f in one]
    assert row["ΔWA"] == f"{100 * np.mean(delta):+.1f} ± {100 * np.std(delta, ddof=1):.1f}"
    t = np.mean(delta) / (np.std(delta, ddof=1) * math.sqrt(1 / 4 + 12 / 9))  # see run_files
    expected = f"{2 * student.sf(abs(t), 3):.3f}"
    assert texts[2] == f"{expected} / {expected}"  # of one pair
    assert row["ΔUA pooled [95 %]"] == "–"  # of four speakers
    right = [
        {r["id"]: r["label"] == r["prediction"] for run in section.variants[n].runs
         if run.results["seed"] == 1 for r in run.predictions}
        for n in ("all_concat", "all_coatt")
    ]  # fmt: skip
    only = [sum(a[i] and not b[i] for i in a) for a, b in (right, right[::-1])]
    assert row["only one right"] == f"{only[0]} / {only[1]}"
    by_speaker = Counter()
    for name, is_right in right[0].items():
        by_speaker[name.rpartition("/")[0]] += is_right - right[1][name]
    signs = itertools.product((1, -1), repeat=4)
    sums = [abs(np.dot(s, [*by_speaker.values()])) for s in signs]
    expected = f"{np.mean([s >= abs(sum(by_speaker.values())) for s in sums]):.3f}"
    assert row["p / Holm (speakers)"] == f"{expected} / {expected}"


def test_p_values_are_corrected_for_all_pairs(tmp_path):
    for fold, name in itertools.product(range(4), "abc"):
        make(tmp_path, name, fold, skill={"a": 0.9, "b": 0.5, "c": 0.4}[name])
    rows = pairwise_tests_table(collect([tmp_path])[0]).rows
    assert len(rows) == 3
    for column in (2, 4, 7):
        plain, corrected = np.transpose([[*map(float, r[column].split(" / "))] for r in rows])
        assert corrected == pytest.approx(np.array(holm(plain)), abs=2e-3)
        assert corrected.min() == pytest.approx(min(1, 3 * plain.min()), abs=2e-3)


def test_the_pooled_difference_has_an_interval_from_five_speakers_on(tmp_path):
    for fold, name in itertools.product(range(5), "ab"):
        make(tmp_path, name, fold, skill={"a": 0.9, "b": 0.5}[name])
    section = collect([tmp_path])[0]
    (row,) = pairwise_tests_table(section).rows
    a, b = ((v.truths, v.guesses, v.column("speaker")) for v in section.variants.values())
    low, high = bootstrap_difference(a, b, 4)["UA"]
    value = section.variants["a"].pooled["UA"] - section.variants["b"].pooled["UA"]
    assert low < value < high
    assert row[5] == f"{100 * value:+.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def test_uneven_seeds_are_told_and_utterances_counted_once(tmp_path):
    for fold, seed in ((0, 1), (0, 2), (1, 1)):
        make(tmp_path, "a", fold, seed)
    make(tmp_path, "b", 1, 2)
    section = collect([tmp_path])[0]
    assert tables.main_table(section).rows[0][1] == "2 of 4 folds, 1–2 seeds (incomplete)"
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
