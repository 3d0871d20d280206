"""A corpus's folder: names in any case, links, folders that cannot be read, and hints."""

import os

import pytest

from camser.data import corpus_folder
from camser.data.corpus_folder import CorpusFolder, folder_hint, why_missing


@pytest.fixture
def forbidden(monkeypatch):
    """Folders that cannot be read; root reads what its permissions forbid."""
    names, scandir = set(), os.scandir

    def refuse(path):
        if os.path.basename(path) in names:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(corpus_folder.os, "scandir", refuse)
    return names


@pytest.fixture
def folder(tmp_path):
    for name in ("A/one.WAV", "A/._one.wav", "a/two.wav", "b/c/Three.flac", "b/readme.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_name_is_found_in_any_case_and_first_as_it_is_spelled(folder):
    found = CorpusFolder(folder)
    assert found.find("a/two.wav") == "a/two.wav" and found.find("A/ONE.wav") == "A/one.WAV"
    assert found.find("B/C/three.FLAC") == "b/c/Three.flac"
    for absent in ("a/none.wav", "b/readme.txt/x", "../x", "", "/", "A/._one.wav"):
        assert found.find(absent) is None
    assert found.problems == []


def test_files_are_those_of_a_suffix_at_any_depth(folder):
    found = CorpusFolder(folder)
    expected = ["A/one.WAV", "a/two.wav", "b/c/Three.flac"]
    assert list(found.files({".wav", ".flac"})) == expected == list(found.files({".wav", ".flac"}))


def test_a_link_in_a_circle_ends(folder):
    (folder / "b/above").symlink_to(folder)
    (folder / "b/beside").symlink_to(folder / "A")
    found = list(CorpusFolder(folder).files((".wav",)))
    assert found == ["A/one.WAV", "a/two.wav", "b/beside/one.WAV"]


def test_a_folder_that_cannot_be_read_is_named_once(folder, forbidden):
    forbidden.add("c")
    found = CorpusFolder(folder)
    assert list(found.files((".flac",))) == [] and found.find("b/c/Three.flac") is None
    assert found.problems == [f"{folder}/b/c: cannot be read: Permission denied"]
    assert found.is_unreadable("b/c/Three.flac") and not found.is_unreadable("b/cc")


def test_why_there_is_no_file(folder, monkeypatch):
    assert why_missing(folder / "a/two.wav") is None
    assert why_missing(folder / "a/none.wav") == "there is no such file"
    assert why_missing(folder / "a/two.wav/x") == "there is no such file"
    assert why_missing(folder / "a") == "is not a file"
    assert why_missing("a\0").startswith("cannot be read: ")


@pytest.mark.parametrize(("name", "right"), [("x/Right", "x/right"), ("", "x"), ("x/right/b", "x")])
def test_a_hint_names_the_nearest_right_folder(tmp_path, name, right):
    (tmp_path / "x/right/b").mkdir(parents=True)
    wanted = (tmp_path / right).name

    def is_right(near):
        return near.path.name == wanted

    assert folder_hint(tmp_path / name, is_right) == f"; try {tmp_path / right}"
    assert folder_hint(tmp_path / name, lambda near: False) == ""


def test_a_hint_from_here(tmp_path, monkeypatch):
    (tmp_path / "corpus/Session1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "corpus/Session1")
    hint = folder_hint(".", lambda near: near.find("session1"))
    assert hint == f"; try {tmp_path / 'corpus'}"
