"""The manifest: what is written is read, and every bad row is named."""

import csv
import os
import subprocess
import sys
from dataclasses import asdict, replace
from itertools import permutations

import pytest

from camser.data.manifest import (
    COLUMNS,
    GENDERS,
    STYLES,
    ManifestError,
    Utterance,
    fingerprint,
    read_manifest,
    validate_manifest,
    write_manifest,
)

NASTY = [
    "plain",
    "",
    "commas, and, more",
    'a "quoted" word',
    '"',
    "two\nlines",
    "a\r\nb\rc",
    " spaces around ",
    "Grüße, 你好 🙂 \u2028 \x85",
    "'; DROP TABLE",
    "=1+1",
]


def utterance(number=0, **fields):
    known = {
        "id": f"fake/{number:03d}",
        "corpus": "fake",
        "path": f"wav/{number:03d}.wav",
        "seconds": 1.25 + number,
        "speaker": f"fake/{number % 4}",
        "gender": GENDERS[number % 2],
        "session": "Session1",
        "dialogue": "impro01",
        "style": STYLES[number % 3],
        "emotion": "sad",
        "text": "yes",
        "digest": f"{number:016x}",
        "language": "de",
        "split": "train",
        "start": 0.5,
        "end": 1.75 + number,
    }
    return Utterance(**{**known, **fields})


def write_rows(path, rows, columns=COLUMNS):
    """A manifest that nobody has checked."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([columns, *rows])


def test_what_is_written_is_read(tmp_path):
    rows = [utterance(i, text=text) for i, text in enumerate(NASTY)]
    unknown = dict.fromkeys(("speaker", "gender", "session", "dialogue", "style", "text"), "")
    unknown |= {"digest": "", "language": "", "split": "", "start": 0.0, "end": None}
    rows += [utterance(100, seconds=0.1 + 0.2, **unknown)]
    write_manifest(tmp_path / "new" / "manifest.csv", rows)
    assert read_manifest(tmp_path / "new" / "manifest.csv") == rows


def test_any_field_may_hold_what_csv_quotes(tmp_path):
    odd = 'ä, "b"\nc'
    free = ("id", "corpus", "path", "speaker", "session", "dialogue", "emotion", "digest")
    row = utterance(**{name: odd for name in free})
    write_manifest(tmp_path / "manifest.csv", [row])
    assert read_manifest(tmp_path / "manifest.csv") == [row]


def test_a_manifest_of_another_system_is_read_the_same(tmp_path):
    rows = [utterance(i) for i in range(3)]
    path = tmp_path / "manifest.csv"
    write_manifest(path, rows)
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    assert read_manifest(path) == rows


BAD = [
    ("id", "", "id is empty"),
    ("corpus", "", "corpus is empty"),
    ("path", "", "path is empty"),
    ("emotion", "", "emotion is empty"),
    ("seconds", 0.0, "seconds is 0.0; it must be positive"),
    ("seconds", -1.0, "seconds is -1.0"),
    ("seconds", float("nan"), "seconds is nan"),
    ("seconds", float("inf"), "seconds is inf"),
    ("gender", "F", "gender is 'F'; allowed: female, male, or nothing"),
    ("start", -0.5, "start is -0.5, end is 2.75; start must be before end, neither negative"),
    ("start", 2.75, "start is 2.75, end is 2.75"),
    ("start", float("nan"), "start is nan"),
    ("end", float("inf"), "end is inf"),
    ("style", "read", "style is 'read'; allowed: improvised, scripted, acted"),
    ("path", "../secret.wav", "stay inside"),
    ("path", "a/../../secret.wav", "stay inside"),
    ("path", "a/..", "stay inside"),
    ("path", "/etc/secret.wav", "must be relative"),
    ("path", "//server/share.wav", "must be relative"),
    ("path", "a\\b.wav", "must be relative"),
    ("path", "..\\secret.wav", "must be relative"),
    ("path", "C:/secret.wav", "must be relative"),
]


@pytest.mark.parametrize(("column", "value", "message"), BAD)
def test_a_bad_row_is_named_with_its_line_in_reading_and_in_writing(
    tmp_path, column, value, message
):
    rows = [utterance(0), replace(utterance(1), **{column: value}), utterance(2)]
    path = tmp_path / "manifest.csv"
    with pytest.raises(ManifestError, match="row 2 ") as caught:
        write_manifest(path, rows)
    assert message in str(caught.value) and not path.exists()
    write_rows(path, [asdict(row).values() for row in rows])
    with pytest.raises(ManifestError, match="row 2 ") as caught:
        read_manifest(path)
    assert message in str(caught.value) and str(path) in str(caught.value)
    assert "row 1" not in str(caught.value) and "row 3" not in str(caught.value)


def test_a_refused_manifest_leaves_the_old_one(tmp_path):
    path = tmp_path / "manifest.csv"
    write_manifest(path, [utterance()])
    with pytest.raises(ManifestError, match="occurs twice"):
        write_manifest(path, [utterance(), utterance()])
    assert read_manifest(path) == [utterance()]


def test_an_id_that_occurs_twice_is_named():
    with pytest.raises(ManifestError, match="row 3: the id 'fake/000' occurs twice"):
        validate_manifest([utterance(0), utterance(1), utterance(0, text="other")])


def test_all_bad_rows_are_listed_up_to_twenty():
    with pytest.raises(ManifestError, match="… and 5 more") as caught:
        validate_manifest([utterance(i, gender="F") for i in range(25)], "there.csv")
    assert str(caught.value).startswith("there.csv:\n")
    assert str(caught.value).count("gender is") == 20


def test_no_rows_are_no_manifest(tmp_path):
    with pytest.raises(ManifestError, match="there are no utterances"):
        write_manifest(tmp_path / "manifest.csv", [])
    write_rows(tmp_path / "manifest.csv", [])
    with pytest.raises(ManifestError, match="there are no utterances"):
        read_manifest(tmp_path / "manifest.csv")


@pytest.mark.parametrize("value", ["", "1,5", "long"])
def test_seconds_that_are_no_number_are_named_with_their_line(tmp_path, value):
    rows = [asdict(utterance(0)), {**asdict(utterance(1)), "seconds": value}]
    write_rows(tmp_path / "m.csv", [row.values() for row in rows])
    with pytest.raises(ManifestError, match=f"m.csv, row 2: seconds is '{value}', not a number"):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize("change", [lambda row: row[:-1], lambda row: [*row, "more"]])
def test_a_row_with_too_few_or_too_many_columns_is_named_with_its_line(tmp_path, change):
    rows = [list(asdict(utterance(i)).values()) for i in range(2)]
    write_rows(tmp_path / "m.csv", [rows[0], change(rows[1])])
    with pytest.raises(ManifestError, match=r"m.csv, row 2: 1[57] columns instead of 16"):
        read_manifest(tmp_path / "m.csv")


def test_a_missing_manifest_is_named_with_what_writes_it(tmp_path):
    with pytest.raises(ManifestError, match=r"gone\.csv is missing; the recipe's preparation"):
        read_manifest(tmp_path / "gone.csv")


@pytest.mark.parametrize("columns", [COLUMNS[:-1], COLUMNS[::-1], [*COLUMNS, "age"]])
def test_other_columns_are_refused_with_those_that_must_be(tmp_path, columns):
    write_rows(tmp_path / "m.csv", [["x"] * len(columns)], columns)
    with pytest.raises(ManifestError, match=r"m\.csv: the columns are .*; they must be \['id'"):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"RIFF\x00\x00\x00\x80", b"\n"])
def test_another_kind_of_file_is_refused_by_name(tmp_path, content):
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(ManifestError, match=r"m\.csv(?s:.*)(is not a manifest|the columns are)"):
        read_manifest(tmp_path / "m.csv")


def test_a_manifest_that_ends_inside_a_row_is_refused(tmp_path):
    path = tmp_path / "m.csv"
    write_manifest(path, [utterance(i) for i in range(3)])
    whole = path.read_bytes()
    inside = [n for n in range(0, len(whole) - 1, 3) if not whole[:n].endswith((b"\r", b"\n"))]
    read = []
    for end in inside:
        path.write_bytes(whole[:end])
        try:
            read_manifest(path)
        except ManifestError as error:
            assert str(path) in str(error)
        else:
            read.append(whole[:end][-20:])
    assert not read


def test_the_fingerprint_changes_with_every_field():
    row = utterance()
    other = {
        name: value + 1e-9 if isinstance(value, float) else value + "x"
        for name, value in asdict(row).items()
    }
    changed = [fingerprint([replace(row, **{name: value})]) for name, value in other.items()]
    assert len({fingerprint([row]), *changed}) == 1 + len(COLUMNS)


def test_a_manifest_of_an_earlier_version_is_read_with_its_fingerprint(tmp_path):
    path = tmp_path / "manifest.csv"
    old = "c/a", "c", "a.wav", 1.5, "c/1", "male", "", "", "acted", "sad", "", "0f"
    write_rows(path, [old], COLUMNS[:12])
    (row,) = read_manifest(path)
    assert row == Utterance("c/a", "c", "a.wav", 1.5, "c/1", "male", emotion="sad", digest="0f")
    assert (row.split, row.start, row.end) == ("", 0.0, None) and not row.is_cut
    assert fingerprint([row]) == "77f92fd28e74f868"


def test_the_fingerprint_changes_with_order_and_number():
    rows = [utterance(i) for i in range(4)]
    several = [list(p) for p in permutations(rows)] + [rows[:n] for n in range(4)]
    assert len({fingerprint(rows) for rows in several}) == 24 + 4


def test_the_fingerprint_sees_where_a_field_ends():
    rows = [utterance(session="a", dialogue="bc"), utterance(session="ab", dialogue="c")]
    assert fingerprint(rows[:1]) != fingerprint(rows[1:])


def test_the_fingerprint_survives_the_file(tmp_path):
    rows = [utterance(i, text=text, seconds=1 / (i + 3)) for i, text in enumerate(NASTY)]
    write_manifest(tmp_path / "m.csv", rows)
    assert fingerprint(read_manifest(tmp_path / "m.csv")) == fingerprint(rows)


def test_the_fingerprint_is_the_same_in_every_process(tmp_path):
    rows = [utterance(i, text=text) for i, text in enumerate(NASTY)]
    write_manifest(tmp_path / "m.csv", rows)
    code = "import sys; from camser.data.manifest import *; "
    code += "print(fingerprint(read_manifest(sys.argv[1])))"
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.csv")],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == fingerprint(rows)
    assert len(fingerprint(rows)) == 16 and int(fingerprint(rows), 16) >= 0
