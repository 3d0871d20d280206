"""Of labels with a fault of every kind, each is named with its numbers; clean ones have none."""

import re

import pytest
import soundfile

from camser.data_check.check import check_labels, check_recordings
from camser.data_check.source import read_labels
from tests.data_check.conftest import write_table

# What is said of recordings by a speech detector, and of labels by a classifier, is not certain.
UNCERTAIN = {"recordings without speech", "unlikely labels"}
PLANTED = {
    "missing files": ("serious", "line 130, .*audio/lost.wav: there is no such file"),
    "conflicting labels": ("serious", "line 131: the same .* as line 2: 'angry', 'sad'"),
    "nearly the same label": ("serious", r"'angyr' \(1\) and 'angry' \(\d+\)"),
    "few recordings of a class": ("serious", r"bored \(3\)"),
    "class missing in a part": ("serious", "The part test has no bored: .* 4 of 5 classes"),
    "class of few speakers": ("serious", r"fewer than 3 speakers of bored \(1 speaker\)"),
    "nearly the same speaker": ("serious", r"'Eve' \(1\) and 'eve' \(15\)"),
    "speakers in several parts": ("serious", r"of 1 of 9 speakers \(11.1 %\), 16 of 132"),
    "duplicates with two labels": ("serious", r"ann-neutral-0.wav \(neutral\), .*copy.wav \(happy"),
    "duplicates in several parts": ("serious", r"again.wav \(test\), .*cleo-sad-0.wav \(train\)"),
    "class told by the file form": (
        "serious",
        "8. % of sad .*, and 0 % .* 8. % are flac, 16000 Hz",
    ),
    "unreadable recordings": ("serious", "finn-sad-0.wav: is a web page"),
    "clipped recordings": ("serious", "3 of 133 .* By class: angry 3 of 28"),
    "silent recordings": ("serious", "2 of 133 .* By class: neutral 2 of 32"),
    "unbalanced classes": (
        "check",
        "36 of 132 .* always guessing sad gives WA 0.273, and UA 0.200",
    ),
    "texts of training and test": ("check", r"12 of 35 recordings \(34.3 %\) of the test part"),
    "unlikely labels": ("check", "labeled sad .*guessed"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named_with_its_numbers_and_a_remedy(planted, name):
    severity, pattern = PLANTED[name]
    (finding,) = [f for f in planted.findings if f.name == name]
    assert finding.severity == severity and finding.remedy and finding.numbers
    assert re.search(pattern, finding.sentence), finding.sentence


def test_wrong_labels_are_among_the_unlikely_ones(planted):
    assert planted.guesses is not None
    rows = [recording.name for recording, *_ in planted.guesses.unlikely()]
    assert {"audio/eve-angry-1.wav", "audio/eve-angry-2.wav"} & {*rows}
    assert len(rows) < 10


def test_clean_labels_have_none_of_these_faults(clean):
    folder, rows = clean
    check = check_recordings(read_labels({"source": str(write_table(folder, rows))}))
    serious = {f.name for f in check.findings if f.severity == "serious"}
    assert serious <= UNCERTAIN
    assert not ({f.name for f in check.findings} & {*PLANTED}) - UNCERTAIN


def test_what_labels_alone_tell_is_told_without_decoding(planted, monkeypatch):
    monkeypatch.setattr("camser.audio.load", None)
    names = {f.name for f in check_labels(planted.source).findings}
    heard = {"duplicates", "unreadable", "clipped", "silent", "unlikely"}
    assert names == {name for name in PLANTED if name.split()[0] not in heard}


def test_nothing_is_changed_in_the_data(copy):
    folder, rows = copy
    path = write_table(folder, rows[::16])
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}
    check_recordings(read_labels({"source": str(path)}))
    after = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}
    assert before == after


def test_without_speakers_that_is_the_first_thing_to_know(copy):
    folder, rows = copy
    rows = [{**row, "speaker": "", "split": ""} for row in rows]
    check = check_labels(read_labels({"source": str(write_table(folder, rows))}))
    first = check.findings[0]
    assert first.name == "unknown speakers" and first.severity == "serious"
    assert "128 of 128 recordings (100.0 %)" in first.sentence


def test_named_folds_that_share_speakers_are_no_test_of_new_ones(copy):
    folder, rows = copy
    for number, row in enumerate(rows):
        row["split"] = f"fold{number % 5}"
    check = check_labels(read_labels({"source": str(write_table(folder, rows))}))
    (finding,) = [f for f in check.findings if f.name == "speakers in several parts"]
    assert finding.numbers == {"speakers": 8, "recordings": 128}


def test_recordings_that_were_cut_to_one_length_are_told(copy):
    folder, rows = copy
    for row in rows[:12]:
        samples, rate = soundfile.read(folder / row["file"])
        soundfile.write(folder / row["file"], samples[:8000], rate)
    check = check_recordings(read_labels({"source": str(write_table(folder, rows[:16]))}))
    (finding,) = [f for f in check.findings if f.name == "recordings of one length"]
    assert finding.sentence.startswith("12 of 16 recordings (75.0 %) last exactly 0.5 s")
