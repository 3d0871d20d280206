"""Which results files belong together in a report, and which are refused."""

import csv
import json

import numpy as np
import pytest

from camser.cli import main
from camser.evaluation import results
from camser.evaluation.report.collect import ReportError, collect
from camser.evaluation.report.write import write_report
from camser.runtime.digests import add_digest, file_record
from tests.helpers.run_files import LABELS, make


def test_rows_hold_folds_seeds_and_pooled_scores(runs):
    honest, biased = collect([runs])
    assert (honest.selection, biased.selection) == ("held_out", "test_fold")
    assert list(honest.variants) == ["all_concat", "all_coatt"]  # Table 2's order
    variant = honest.variants["all_coatt"]
    assert [run.key for run in variant.runs] == [(f, s) for f in range(4) for s in (1, 2)]
    for fold in range(4):
        mine = [r.results for r in variant.runs if r.key[0] == fold]
        for score in ("WA", "UA", "macro_F1"):
            mean = sum(r[score] for r in mine) / 2
            assert variant.folds[f"iemocap/{fold}"][score] == pytest.approx(mean)
    counts = sum(np.array(run.results["confusion"]) for run in variant.runs)
    assert np.array_equal(variant.pooled["confusion"], counts)
    assert variant.pooled["WA"] == pytest.approx(counts.trace() / counts.sum())


def test_corpora_and_protocols_have_sections_of_their_own(tmp_path):
    make(tmp_path, "a"), make(tmp_path, "a", corpus="emodb", manifest="e")
    make(tmp_path, "a", protocol="leave_one_session_out")
    found = [(s.corpus, s.protocol) for s in collect([tmp_path])]
    assert found == [
        ("emodb", "leave_one_speaker_out"),
        ("iemocap", "leave_one_session_out"),
        ("iemocap", "leave_one_speaker_out"),
    ]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"manifest": "n"}, "differ in manifest: 'm', 'n'"),
        ({"labels": LABELS[::-1]}, r"differ in labels: \['angry'.*\], \['neutral'"),
        ({"batch_size": 3}, "differ in batch_size: None, 3"),
        ({"modalities": ["wav2vec2"]}, r"differ in modalities: \['mfcc', .*\], \['wav2vec2'\]"),
    ],
)
def test_what_does_not_belong_together_is_refused_by_name(tmp_path, change, words):
    one, other = make(tmp_path, "a", 0), make(tmp_path, "a", 1, **change)
    with pytest.raises(ReportError, match=words) as error:
        collect([tmp_path])
    assert str(one) in str(error.value) and str(other) in str(error.value)


def test_variants_on_other_data_or_labels_are_refused_too(tmp_path):
    make(tmp_path, "a", 0), make(tmp_path, "b", 0, manifest="n")
    with pytest.raises(ReportError, match="differ in manifest"):
        collect([tmp_path])


@pytest.mark.parametrize(
    "change",
    [{"encoders": {}}, {"fusions": {"co_attention": {}}}, {"fusion": "other"},
     {"fusions": {"co_attention": {"plugin": "co_attention", "output_modalities": "mfcc"}}}],
)  # fmt: skip
def test_a_model_that_is_described_in_part_is_refused(tmp_path, change):
    place = make(tmp_path, "a")
    found = json.loads((place / "results.json").read_text())
    found["settings"] |= change
    (place / "results.json").write_text(json.dumps(add_digest(found)))
    with pytest.raises(results.ResultsError, match="describe the model incompletely"):
        collect([tmp_path])


def test_the_same_run_twice_is_refused(tmp_path):
    make(tmp_path / "x", "a", 0), make(tmp_path / "y", "a", 0)
    with pytest.raises(ReportError, match="are the same fold and seed"):
        collect([tmp_path])


def test_folds_of_another_division_are_refused(tmp_path):
    make(tmp_path, "a", num_folds=4), make(tmp_path, "b", num_folds=5)
    with pytest.raises(ReportError, match="differ in num_folds: 4, 5"):
        collect([tmp_path])


def test_a_gap_is_the_selections_alone(tmp_path):
    make(tmp_path, "a"), make(tmp_path, "a", selection="test_fold", batch_size=3)
    with pytest.raises(
        ReportError, match="differ in more than the selection: batch_size; compare runs"
    ):
        write_report(collect([tmp_path]), tmp_path / "report")


def test_damage_and_absence_are_one_message(tmp_path):
    with pytest.raises(SystemExit, match=r"no results\.json below"):
        main(["report", str(tmp_path)])
    place = make(tmp_path, "a")
    lines = (place / "predictions.csv").read_text().splitlines(keepends=True)
    (place / "predictions.csv").write_text("".join(lines[:-1]))
    with pytest.raises(SystemExit, match=r"predictions\.csv is damaged: .* bytes instead of"):
        main(["report", str(tmp_path)])
    found = json.loads((place / "results.json").read_text())
    found["files"]["predictions.csv"] = file_record(place / "predictions.csv")
    (place / "results.json").write_text(json.dumps(add_digest(found)))
    with pytest.raises(SystemExit, match=r"has 11 rows, results.json 12 utterances"):
        main(["report", str(tmp_path)])
    (place / "results.json").write_text("{")
    with pytest.raises(SystemExit, match=r"results.json is damaged .*; delete it and run again"):
        main(["report", str(tmp_path)])


@pytest.mark.parametrize("cut", [5, 60])
def test_predictions_cut_off_in_their_last_row_are_damage(tmp_path, cut):
    table = make(tmp_path, "a") / "predictions.csv"
    table.write_text(table.read_text()[:-cut])
    with pytest.raises(results.ResultsError, match=r"predictions.csv (is damaged|has 1. rows)"):
        collect([tmp_path])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("label", "bored", r"label of iemocap/0/0 is 'bored'; allowed: \['angry', 'sad'"),
        ("prediction", "", r"prediction of iemocap/0/0 is ''; allowed: \['angry', 'sad'"),
        ("text_in_train", "maybe", r"text_in_train of iemocap/0/0 is 'maybe'; allowed: \['yes'"),
        ("seconds", "inf", "a number of iemocap/0/0 is not finite"),
        ("angry", "0.0", "the probabilities of iemocap/0/0 do not sum to 1"),
    ],
)
def test_an_impossible_value_in_the_predictions_is_named(tmp_path, column, value, message):
    place = make(tmp_path, "a")
    table = place / "predictions.csv"
    rows = list(csv.reader(table.read_text().splitlines()))
    rows[1][rows[0].index(column)] = value
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    found = json.loads((place / "results.json").read_text())
    found["files"]["predictions.csv"] = file_record(table)
    (place / "results.json").write_text(json.dumps(add_digest(found)))
    with pytest.raises(results.ResultsError, match=f"is damaged .{message}"):
        collect([tmp_path])
