"""Tables with mistakes: one message that lists all of them; and large ones, in little time."""

import json
import os
import shutil
import sys
import time
import tracemalloc

import numpy as np
import pytest
import soundfile

from camser.data.prepare import prepare
from camser.data.tables.columns import COLUMNS, TableError, find_columns
from camser.data.tables.read import read_table


@pytest.fixture
def folder(tmp_path):
    for number in range(8):
        soundfile.write(tmp_path / f"{number}.wav", np.zeros(1600), 16000)
    return tmp_path


def write(folder, text, name="labels.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


GOOD = "".join(f"{number}.wav,{'sad' if number % 2 else 'up'}\n" for number in range(6))


def test_all_mistakes_are_listed_at_once(folder):
    path = write(
        folder,
        """file,emotion,start,end,gender
0.wav,sad,,,f
1.wav,,,,
gone.wav,sad,,,
2.wav,up,3,2,
3.wav,up,1,2,x
,up,,,
0.wav,up,,,
4.wav,up,one,,
5.wav,up
6.wav,up,nan,,
5.wav,calm,,inf,
7.wav,up,0,0.1,
7.wav,sad,0.05,0.1,
3.wav,calm,-1,,
4.wav,calm,,,
""",
    )
    with pytest.raises(TableError) as caught:
        read_table(path)
    assert str(caught.value).splitlines() == [
        f"{path}: 10 problems:",
        "  line 3: the emotion is empty",
        f"  line 4, {folder}/gone.wav: there is no such file",
        "  line 5: start is 3, end is 2; start must be before end, in seconds",
        "  line 6: gender is 'x'; allowed: f, female, m, male, or nothing",
        "  line 7: the file is empty",
        "  line 9: start is 'one', end is ''; both must be numbers, in seconds",
        "  line 10: 2 columns instead of 5",
        "  line 11: the file has no end"[:0]
        or "  line 12: start is 0, end is inf; start must be before end, in seconds",
        "  line 15: start is -1, end is ; start must be before end, in seconds",
        "  line 8: the same recording as line 2: 'sad', 'up'",
    ]


@pytest.mark.parametrize(
    ("header", "columns", "messages"),
    [
        ("name,mood", {}, ["no column is known to be the file; name it: {file: …}",
                           "no column is known to be the emotion; name it: {emotion: …}"]),
        ("file,mood", {"emotion": "moood"}, ["no column 'moood' for the emotion. Did you mean 'm"]),
        ("file,emotion", {"emotoin": "x"}, ["columns has 'emotoin'; allowed: file, emotion, sp"]),
        ("wav,audio,emotion", {}, ["['wav', 'audio'] may all be the file; name one: {file: …}"]),
        ("file,emotion,emotion", {}, ["the columns ['emotion'] occur twice; names must be unique"]),
    ],
)  # fmt: skip
def test_columns_that_cannot_be_recognized_are_named(folder, header, columns, messages):
    path = write(folder, f"{header}\n{GOOD}")
    with pytest.raises(TableError) as caught:
        read_table(path, columns)
    assert str(path) in str(caught.value)
    assert all(message in str(caught.value) for message in messages)


def test_columns_are_recognized_by_the_names_that_others_use():
    names = {other: name for name, others in COLUMNS.items() for other in others}
    for other, name in names.items():
        for written in (other, other.upper(), other.replace("_", " "), other.replace("_", "-")):
            needed = [n for n in ("file", "emotion") if n != name]
            assert find_columns([*needed, written], {}, "t")[name] == written
    # A name of our own comes first, and one that is named is nothing else.
    assert find_columns(["label", "emotion", "wav", "file"], {}, "t") == {
        "file": "file", "emotion": "emotion",
    }  # fmt: skip
    assert find_columns(["wav", "audio", "emo"], {"text": "audio"}, "t")["file"] == "wav"
    assert "speaker" not in find_columns(["wav", "emo", "spk"], {"speaker": None}, "t")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; its first line must name the columns"),
        (b"\n\n", "is empty"),
        (
            "file,emotion\n0.wav,sad\n".encode("utf-16-le"),
            "line 1: not text, or UTF-16; save it as",
        ),
        ("file,emotion\n0.wav,böse\n".encode("latin-1"), "not UTF-8 text .* save it as UTF-8"),
        (b"file,emotion\n0.wav,sad\0\n", "line 2: not text, or UTF-16"),
        (b"file,emotion\n", "it has no rows"),
        (b'file,emotion\n"0.wav,sad\n' + b"x" * 200_000, "line 2: field larger than field limit"),
    ],
)
def test_another_kind_of_file_is_refused_by_name(folder, content, message):
    (folder / "labels.csv").write_bytes(content)
    with pytest.raises(TableError, match=f"(?s)labels.csv.*{message}"):
        read_table(folder / "labels.csv")


def test_a_file_that_is_no_table_is_refused_by_its_suffix(folder):
    with pytest.raises(TableError, match=r"0.wav is no table; allowed: .csv, .tsv"):
        read_table(folder / "0.wav")


@pytest.mark.parametrize("line", ['{"wav": "0.wav"', "[1]", '{"wav": "0.wav", "emo": null}'])
def test_a_bad_line_of_json_is_named(folder, line):
    rows = [json.dumps({"wav": f"{n}.wav", "emo": "sad"}) for n in range(1, 4)]
    path = write(folder, "\n".join([*rows, "", line]), "labels.jsonl")
    with pytest.raises(TableError, match=r"labels.jsonl: 1 problem:\n  line 5: (not|the emotion)"):
        read_table(path)


@pytest.mark.parametrize("content", ["{", "3", '{"a": 3}', '"' + "[" * 100_000])
def test_json_that_is_no_manifest_is_refused(folder, content):
    with pytest.raises(TableError, match=r"a\.json"):
        read_table(write(folder, content, "a.json"))


def test_rows_with_problems_can_be_left_out(folder, caplog):
    path = write(folder, f"file,emotion\n{GOOD}gone.wav,sad\n0.wav,sad\n")
    table = read_table(path, allow_missing=True)
    assert [u.path for u in table.utterances] == [f"{n}.wav" for n in range(6)]
    assert "gone.wav: there is no such file" in caplog.text and "are left out" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_not_utf_8_is_a_problem_of_its_row(folder):
    for emotion, numbers in (("up", (0, 2)), ("sad", (1, 3))):
        for number in numbers:
            path = folder / "classes" / emotion / f"{number}\n.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / f"{number}.wav", path)
    shutil.copy(folder / "4.wav", os.path.join(os.fsencode(folder), b"classes/up/\xe9.wav"))
    with pytest.raises(TableError, match=r"udce9.wav: the file's name is not UTF-8") as caught:
        read_table(folder / "classes")
    assert len(caught.value.table.utterances) == 4
    str(caught.value).encode()


def test_a_rare_class_may_be_left_out_or_merged(folder):
    path = write(folder, f"file,emotion\n{GOOD}6.wav,calm\n")
    with pytest.raises(TableError, match="emotion 'calm' has one utterance; a class needs two"):
        read_table(path)
    assert len(read_table(path, labels=["sad", "up"]).utterances) == 7
    assert len(read_table(path, merge_labels={"calm": "sad"}).utterances) == 7
    with pytest.raises(TableError, match="emotion 'joy' has no utterance"):
        read_table(path, labels=["sad", "up", "joy"])


def test_a_recording_is_found_in_any_case(folder):
    (folder / "7.wav").rename(folder / "Seven.WAV")
    path = write(folder, f"file,emotion\n{GOOD}seven.wav,sad\n")
    assert read_table(path).utterances[-1].path == "Seven.WAV"
    write(folder, f"file,emotion\n{GOOD}Eight.wav,sad\n")
    with pytest.raises(TableError, match=rf"line 8, {folder}/Eight.wav: there is no such file"):
        read_table(path)


def test_a_folder_is_no_recording(folder):
    (folder / "9.wav").mkdir()
    with pytest.raises(TableError, match=rf"line 8, {folder}/9.wav: is not a file"):
        read_table(write(folder, f"file,emotion\n{GOOD}9.wav,sad\n"))


def test_a_missing_recording_of_no_class_is_no_problem(folder):
    path = write(folder, f"file,emotion\n{GOOD}gone.wav,calm\n")
    assert len(read_table(path, labels=["sad", "up"]).utterances) == 7


def test_paths_may_be_absolute_go_up_and_be_links(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "link").symlink_to(folder)
    (other / "sub").mkdir()
    rows = [
        f"{folder}/0.wav,up", f"../../{folder.name}/1.wav,up",
        "../link/2.wav,sad", "..\\link\\3.wav,sad",
    ]  # fmt: skip
    text = "\n".join(["file,emotion", *rows])
    root = folder.parent / other.name
    path = write(root / "sub", text)
    table = read_table(path)
    assert table.data_folder == folder.resolve()
    assert [u.path for u in table.utterances] == [f"{n}.wav" for n in range(4)]
    prepared = prepare(table, table.data_folder, folder / "prepared", table.labels, {})
    assert len(prepared.utterances) == 4


def test_values_are_taken_as_people_write_them(folder):
    header = "File;Label;Spk;Sex;Partition;Lang"
    rows = ["0.wav; sad ;1;F;Train;de", "1.wav;sad;unknown;Female;dev;", "2.wav;up;2;m;validation;",
            "3.wav;up;;other;fold_2;"]  # fmt: skip
    found = read_table(write(folder, "\r\n".join([header, *rows])), corpus="c").utterances
    assert [u.emotion for u in found] == ["sad", "sad", "up", "up"]
    assert [u.speaker for u in found] == ["c/1", "", "c/2", ""]
    assert [u.gender for u in found] == ["female", "female", "male", ""]
    assert [u.split for u in found] == ["train", "valid", "valid", "fold_2"]
    assert [u.language for u in found] == ["de", "", "", ""]


def test_a_command_of_kaldi_is_not_run(folder):
    (folder / "wav.scp").write_text("a touch ran |\nb 1.wav\nc 2.wav\n")
    (folder / "utt2emo").write_text("a sad\nb sad\nc sad\n")
    with pytest.raises(TableError, match=r"utterance a: recording 'a' 'touch ran \|' is a command"):
        read_table(folder)
    assert not (folder / "ran").exists()


@pytest.mark.slow
def test_a_million_rows_take_seconds_and_their_mistakes_one_message(folder):
    """A tenth of them in the quick tests."""
    count = 100_000
    with open(folder / "large.csv", "w") as file:
        file.write("file,emotion,speaker,start,end\n")
        file.writelines(f"0.wav,{'abcd'[n % 4]},{n % 50},{n},{n + 1}\n" for n in range(count))
    start = time.monotonic()
    table = read_table(folder / "large.csv")
    assert time.monotonic() - start < 30 and len(table.utterances) == count
    tracemalloc.start()
    (folder / "large.csv").write_text("file,emotion\n" + "gone.wav,\n" * count)
    tracemalloc.reset_peak()
    with pytest.raises(TableError, match=rf"{2 * count} problems:") as caught:
        read_table(folder / "large.csv")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert str(caught.value).splitlines()[1:] == [
        f"  line 2, {folder}/gone.wav and {count - 1} more: there is no such file",
        f"  line 2 and {count - 1} more: the emotion is empty",
    ]


def test_problems_are_counted_by_kind_and_what_is_left_can_be_read(folder):
    rows = "gone.wav,sad\n0.wav,sad\n1.wav,sad\n,up\n3.wav,odd\n"
    path = write(folder, f"file,emotion\n{GOOD}{rows}")
    with pytest.raises(TableError) as caught:
        read_table(path)
    table = caught.value.table
    kinds = {"missing file": 1, "conflict": 2, "repeated": 1, "row": 1, "class": 1}
    assert table.problems.counts == kinds
    assert table.problems.first["missing file"] == [
        f"line 8, {folder}/gone.wav: there is no such file"
    ]
    assert len(table.utterances) == 6
    assert {u.path: u.emotion for u in table.utterances}["0.wav"] == "sad"  # the last row counts
    with pytest.raises(TableError) as caught:
        read_table(write(folder, "file,emotion\ngone.wav,sad\n"))
    assert caught.value.table is None
