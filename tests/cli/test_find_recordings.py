"""From the arguments of ``camser classify`` to recordings, without reading one."""

import os
from pathlib import Path

import pytest
import soundfile

from camser.cli.find_recordings import RECORDING_SUFFIXES, find_recordings, read_file_list


@pytest.fixture
def tree(tmp_path):
    """A folder of empty files; names of recordings are found by suffix."""
    folder = tmp_path / "tree"
    names = (
        "b.wav",
        "a/c.M4A",
        "a/d.webm",
        "a/notes.txt",
        "e.TXT",
        "README",
        ".f.wav",
        "a/._b.wav",
    )
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(found, folder):
    return [str(Path(path).relative_to(folder)) for path in found.files]


def test_a_folder_gives_recordings_of_any_format_and_counts_the_other_files(tree):
    found = find_recordings([str(tree)])
    assert names(found, tree) == ["a/c.M4A", "a/d.webm", "b.wav"]
    assert found.skipped_files() == "2 .txt, 1 without a suffix" and not found.problems


def test_many_kinds_of_skipped_files_are_summed_and_none_moves_the_cursor(tmp_path):
    for number in range(13):
        (tmp_path / f"a.{'x' * (number + 1)}").touch()
    for name in ("a.wav", "b.x", "c.x\x1b[2J", "d.x\x1b[2J"):
        (tmp_path / name).touch()
    shown = find_recordings([str(tmp_path)]).skipped_files()
    assert "2 .x\\x1b[2j" in shown and shown.endswith(", 4 others") and shown.count(",") == 10


def test_the_usual_suffixes_of_all_that_libsndfile_writes_are_recordings():
    other = {"MAT4", "MAT5", "RAW", "MPC2K", "WAVEX"}  # arrays, no header, no suffix of its own
    assert {f".{name.lower()}" for name in {*soundfile.available_formats()} - other} <= (
        RECORDING_SUFFIXES
    )
    assert not RECORDING_SUFFIXES & {".txt", ".csv", ".json", ".png", ".raw", ".ts", ".mat", ".lab"}


def test_linked_folders_are_followed_once_and_after_the_others(tree, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.wav").touch()
    (outside / "back").symlink_to(tree)
    (tree / "0-link").symlink_to(outside)
    (tree / "1-again").symlink_to(outside)
    (tree / "a/loop").symlink_to(tree / "a")
    (tree / "a/self").symlink_to(tree / "a/self")  # no folder
    (tree / "z.wav").symlink_to(tree / "b.wav")  # a name of its own
    (tree / "gone.wav").symlink_to("nowhere.wav")  # for the reader to report
    found = find_recordings([str(tree)])
    expected = ["0-link/x.wav", "a/c.M4A", "a/d.webm", "b.wav", "gone.wav", "z.wav"]
    assert names(found, tree) == expected
    link = tmp_path / "link"
    link.symlink_to(tree)
    assert names(find_recordings([str(link)]), link) == expected


def test_a_folder_that_cannot_be_listed_is_a_problem(tree, monkeypatch):
    listed = os.scandir

    def scandir(path):
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_recordings([str(tree)])
    assert names(found, tree) == ["b.wav"]
    assert [*map(str, found.problems)] == [f"{tree / 'a'}: cannot be listed: Permission denied"]


def test_what_names_no_recording_is_a_problem_and_the_rest_is_found(tree, tmp_path):
    (tmp_path / "empty").mkdir()
    wrong = ["", "x" * 300, "a\0b", str(tmp_path / "empty"), str(tmp_path / "*.wav"), "gone.wav"]
    found = find_recordings([*wrong, str(tree / "b.wav"), str(tree / "e.TXT")])
    assert names(found, tree) == ["b.wav", "e.TXT"]
    expected = [
        "'': an empty argument; give a file or a folder",
        "xxx: File name too long",
        "a\0b: embedded null ",
        "empty: contains no recording; searched suffixes: .3g2, .3gp, ",
        "*.wav: No such file or directory",
        "gone.wav: No such file or directory",
    ]
    for problem, words in zip(map(str, found.problems), expected, strict=True):
        assert words in problem
    with pytest.raises(ValueError, match=r"^'': an empty argument; .*\ngone.wav: No such file"):
        find_recordings(["", "gone.wav"])
    with pytest.raises(
        ValueError, match="nothing to classify; give files, folders, or --file-list"
    ):
        find_recordings([])


def test_wildcards_and_the_home_folder_are_expanded_where_no_such_file_is(tree, monkeypatch):
    monkeypatch.chdir(tree)
    monkeypatch.setenv("HOME", str(tree))
    monkeypatch.setenv("USERPROFILE", str(tree))
    assert find_recordings(["*.wav"]).files == ["b.wav"]
    assert find_recordings(["**/*.[Mw][4e]*"]).files == ["a/c.M4A", "a/d.webm"]
    assert find_recordings(["[a]"]).files == ["a/c.M4A", "a/d.webm"]
    assert find_recordings(["~/b.wav", "~/*.wav"]).files == [str(tree / "b.wav")] * 2
    Path("[a]").touch()
    Path("*.wav").touch()
    assert find_recordings(["[a]", "*.wav"]).files == ["[a]", "*.wav"]


LINES = "a.wav\r\n\r\nb c/ä.wav\r\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-16-be with a mark"]
)
def test_a_list_is_read_in_the_encodings_that_programs_write(tmp_path, encoding):
    encoding, _, mark = encoding.partition(" with ")
    text = "\ufeff" * bool(mark) + LINES
    (tmp_path / "list").write_bytes(text.encode(encoding))
    assert read_file_list(str(tmp_path / "list")) == ["a.wav", "b c/ä.wav"]


def test_a_list_may_hold_names_that_are_no_text_and_what_is_no_list_is_named(tmp_path):
    path = tmp_path / "list"
    path.write_bytes(b"a\xff\x0c.wav\n b.wav \n")
    assert read_file_list(str(path)) == ["a\udcff\x0c.wav", " b.wav "]
    path.write_bytes(b"\xff\xfea")
    with pytest.raises(ValueError, match=r"^--file-list .*list: not valid text: 'utf-16-le' codec"):
        read_file_list(str(path))
    with pytest.raises(ValueError, match=r"^--file-list gone: No such file or directory"):
        read_file_list("gone")
