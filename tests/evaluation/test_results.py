"""A run's files: what is written is read, and what is damaged is refused by name."""

import contextlib
import csv
import json
import math
import random
from dataclasses import replace
from importlib import metadata

import msgspec
import pytest

from camser.data.manifest import Utterance
from camser.evaluation.results import (
    FORMAT,
    PACKAGES,
    ResultsError,
    read_history,
    read_predictions,
    read_results,
    versions,
    write_history,
    write_predictions,
    write_results,
)
from camser.evaluation.schema import Results

LABELS = ["angry", "sad", "happy"]
FIELDS = [field for field in msgspec.structs.fields(Results) if field.name != "files"]
REQUIRED = [field.name for field in FIELDS if field.required]

PARTS = {"train": 4, "valid": 1, "test": 2}


def results(**changes):
    known = {name: f"<{name}>" for name in REQUIRED}
    counted = dict.fromkeys(("fold", "seed", "num_utterances", "best_epoch", "epochs"), 3)
    scores = {"WA": 0.1 + 0.2, "UA": 1 / 3, "macro_F1": 0.25, "seconds": 1, "labels": [*LABELS]}
    tables = {"settings": {"modalities": ["mfcc"]}, "parts": PARTS, "absent": []}
    tables |= {"recall": {"Ärger": 1.0, "sad": None}, "precision": {}, "versions": {"torch": "2"}}
    tables |= {"plugins": {"mfcc": {"plugin": "x"}}, "confusion": [[1, 0], [2, 3]]}
    return {**known, **counted, **scores, **tables, **changes}


def utterances(count):
    return [
        Utterance(
            f"fake/{i}", "fake", f"{i}.wav", 1.5 + i, "fake/ann, b", "female", emotion=LABELS[i % 3]
        )
        for i in range(count)
    ]


def test_results_are_read_as_they_were_written(tmp_path):
    path = write_results(tmp_path / "run", results(extra=[1, "two"]))
    assert path == tmp_path / "run" / "results.json"
    assert read_results(path) == {"format": FORMAT, **results(extra=[1, "two"])}


def test_results_replace_older_ones(tmp_path):
    write_results(tmp_path, results(seed=1))
    assert read_results(write_results(tmp_path, results(seed=2)))["seed"] == 2


@pytest.mark.parametrize("name", REQUIRED)
def test_a_lacking_field_is_named_in_writing_and_in_reading(tmp_path, name):
    lacking = {key: value for key, value in results().items() if key != name}
    with pytest.raises(ResultsError, match=f"these results: it lacks {name};"):
        write_results(tmp_path, lacking)
    path = tmp_path / "results.json"
    assert not path.exists()
    path.write_text(json.dumps({"format": FORMAT, **lacking, "files": {}}))
    with pytest.raises(ResultsError, match=rf"results\.json: it lacks {name}; delete it and run"):
        read_results(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"WA": True}, "WA is True; it must be a number;"),
        ({"fold": 1.5}, "fold is 1.5; it must be a whole number;"),
        ({"confusion": [[1], [None]]}, r"confusion\[1\]\[0\] is None; it must be a whole number"),
        ({"recall": {"sad": "x"}}, "recall is .*; an entry of it must be a number or null"),
        ({"settings": {"fusions": []}}, r"settings\.fusions is \[\]; it must be a table"),
        (
            {"parts": PARTS | {"train": 0}},
            r"parts\.train is 0; it must be a whole number at least 1",
        ),
        ({"num_protocol_folds": 0}, "num_protocol_folds is 0; it must be a whole number at least"),
        ({"parameters": {"mfcc": 3}}, r"parameters is .*; an entry of it must be a table"),
        ({"left_out": {"Down": "x"}}, "left_out is .*; an entry of it must be a whole number"),
        ({"labels": []}, r"labels is \[\]; it must be a list of length at least 1"),
        ({"labels": ["sad", "sad"]}, "labels is .*; it must name each class once"),
    ],
)
def test_a_field_of_a_wrong_type_is_named(tmp_path, changes, message):
    with pytest.raises(ResultsError, match=f"these results: {message}.*delete it and run again"):
        write_results(tmp_path, results(**changes))


@pytest.mark.parametrize("value", [FORMAT + 1, 0, str(FORMAT), None])
def test_another_format_is_refused_in_writing_and_in_reading(tmp_path, value):
    with pytest.raises(ResultsError, match=f"format is {value!r}; this version reads {FORMAT}"):
        write_results(tmp_path, results(format=value))
    (tmp_path / "results.json").write_text(json.dumps(results(format=value)))
    with pytest.raises(ResultsError, match=rf"results\.json: format is {value!r}"):
        read_results(tmp_path / "results.json")


@pytest.mark.parametrize(
    ("content", "kind"), [("{}", "None"), ("[]", "list"), ("3", "int"), ("null", "NoneType")]
)
def test_json_that_holds_something_else_is_refused(tmp_path, content, kind):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(ResultsError, match=rf"results\.json: format is '?{kind}'?; this version"):
        read_results(tmp_path / "results.json")


def test_missing_results_are_named_with_what_that_means(tmp_path):
    message = r"results\.json is missing; the run has not ended, or the path is wrong$"
    with pytest.raises(ResultsError, match=message):
        read_results(tmp_path / "results.json")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe{", b"not json", b"\x00" * 300])
def test_damaged_results_are_refused(tmp_path, content):
    (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(ResultsError, match=r"results\.json is damaged .*; delete it and run ag"):
        read_results(tmp_path / "results.json")


def test_results_cut_anywhere_are_refused(tmp_path):
    path = write_results(tmp_path, results())
    whole = path.read_bytes()
    for end in range(0, len(whole) - 1, 3):  # the last byte is the newline
        path.write_bytes(whole[:end])
        with pytest.raises(ResultsError, match="is damaged"):
            read_results(path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_refused_and_leaves_the_old_file(tmp_path, value):
    path = write_results(tmp_path, results(seed=1))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_results(tmp_path, results(UA=value))
    assert read_results(path)["seed"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_versions_name_python_and_every_package():
    found = versions()
    assert set(found) == {"python", *PACKAGES}
    assert found["torch"] == metadata.version("torch")


def test_predictions_hold_a_description_the_argmax_and_every_log_probability(tmp_path):
    rng = random.Random(0)
    rows, scores = utterances(20), [[-rng.random() for _ in LABELS] for _ in range(20)]
    rows[:2] = [replace(rows[0], text="Oh, no!"), replace(rows[1], text="Yes.")]
    written = write_predictions(tmp_path, rows, scores, LABELS, train_texts={"oh  no", "", "maybe"})
    read = read_predictions(written)
    assert [row["text_in_train"] for row in read[:3]] == ["yes", "no", ""]
    described = ["id", "corpus", "speaker", "gender", "style", "seconds", "text_in_train"]
    described += ["label", "prediction"]
    for row, given, written in zip(rows, scores, read, strict=True):
        assert list(written) == described + LABELS
        assert [written[c] for c in ("id", "speaker", "label")] == [
            row.id,
            row.speaker,
            row.emotion,
        ]
        assert float(written["seconds"]) == row.seconds
        assert [float(written[label]) for label in LABELS] == given  # every bit
        assert written["prediction"] == max(LABELS, key=dict(zip(LABELS, given, strict=True)).get)


def test_equal_log_probabilities_predict_the_first_class(tmp_path):
    path = write_predictions(tmp_path, utterances(1), [[-2.0, -1.0, -1.0]], LABELS)
    assert read_predictions(path)[0]["prediction"] == "sad"


@pytest.mark.parametrize("scores", [[], [[-1.0] * 3] * 2])
def test_predictions_are_one_an_utterance(tmp_path, scores):
    with pytest.raises(ValueError, match="zip"):
        write_predictions(tmp_path, utterances(1), scores, LABELS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [2, 4])
def test_log_probabilities_are_one_a_class(tmp_path, count):
    with pytest.raises(ValueError, match=f"{count} scores for 3 labels"):
        write_predictions(tmp_path, utterances(1), [[-1.0] * count], LABELS)
    assert not list(tmp_path.iterdir())


def test_history_is_csv_with_the_rows_columns_in_order(tmp_path):
    assert read_history(tmp_path / "run") == []
    rows = [{"epoch": n, "train_loss": n / 7, "UA": 0.25} for n in (1, 2)]
    write_history(tmp_path, rows)
    assert [float(row["train_loss"]) for row in read_history(tmp_path)] == [1 / 7, 2 / 7]
    with open(tmp_path / "history.csv", encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == ["epoch", "train_loss", "UA"]


def change(path, old, new):
    content = path.read_bytes()
    assert content.count(old) >= 1
    path.write_bytes(content.replace(old, new, 1))


CHANGED = " is damaged: it has changed since the run; start the run's command again to rewrite it"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"0.3333", b"0.3332", CHANGED),
        (b'"digest"', b'"digesu"', ": files is .* lacks digest; delete it and run again"),
        (b'"predictions.csv"', b'"predictions.csw"', CHANGED),
        (b'"<device>"', b'"<devicf>"', CHANGED),
    ],
)
def test_one_changed_digit_of_results_is_an_error(tmp_path, old, new, told):
    write_predictions(tmp_path, utterances(2), [[-1.0, -2.0, -3.0]] * 2, LABELS)
    path = write_results(tmp_path, results())
    change(path, old, new)
    with pytest.raises(ResultsError, match=f"^{path}{told}$"):
        read_results(path)


def test_every_flipped_bit_of_results_is_an_error_or_harmless(tmp_path):
    path = write_results(tmp_path, results())
    whole, read = path.read_bytes(), read_results(path)
    rng = random.Random(0)
    for _ in range(500):
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        with contextlib.suppress(ResultsError):
            assert read_results(path) == read  # a blank for another, at most


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda path: change(path, b"-1.0", b"-1.5"), "has changed"),
        (lambda path: path.write_bytes(path.read_bytes()[:-2]), "has 227 bytes instead of 229"),
        (lambda path: path.write_bytes(b""), "has 0 bytes instead of"),
        (lambda path: path.unlink(), "is missing"),
    ],
    ids=["changed", "cut", "emptied", "gone"],
)
def test_predictions_are_those_that_the_results_describe(tmp_path, harm, told):
    table = write_predictions(tmp_path, utterances(2), [[-1.0, -2.0, -3.0]] * 2, LABELS)
    path = write_results(tmp_path, results())
    read_results(path)
    harm(table)
    with pytest.raises(
        ResultsError, match=rf"predictions\.csv is damaged: predictions\.csv {told}"
    ):
        read_results(path)
