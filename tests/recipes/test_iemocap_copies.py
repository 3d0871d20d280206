"""Copies of IEMOCAP as people have them: complete ones are taken, messages have the true cause."""

import shutil

import pytest

from camser.data import corpus_folder
from camser.data.prepare import CorpusError, prepare

LABELS = ["angry", "sad", "happy", "neutral"]


@pytest.fixture
def copy(corpus, tmp_path):
    return shutil.copytree(corpus, tmp_path / "corpus")


@pytest.fixture
def take(iemocap, tmp_path):
    def run(folder):
        prepared = tmp_path / "prepared"
        return prepare(iemocap.scan, folder, prepared, LABELS, {"excited": "happy"}).utterances

    return run


@pytest.fixture
def complete(iemocap, corpus):
    return iemocap.scan(corpus)


def annotations(folder):
    return sorted(folder.glob("*/dialog/EmoEvaluation/S*.txt"))


def transcriptions(folder):
    return sorted(folder.glob("*/dialog/transcriptions/*.txt"))


def lower(paths):
    for path in paths:
        path.rename(path.with_name(path.name.lower()))


BESIDE = {
    "an empty folder": lambda f: (f / "Session1/sentences/wav/Ses01F_impro07").mkdir(),
    "a folder": lambda f: (f / "Session1/sentences/wav/backup").mkdir(),
    "a readme": lambda f: (f / "Session1/dialog/EmoEvaluation/readme.txt").write_text("[hello"),
    "a copy": lambda f: [
        shutil.copy(p, p.with_name(f"{p.stem} (1).txt")) for p in annotations(f) + transcriptions(f)
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", BESIDE)
def test_what_lies_beside_does_no_harm(iemocap, copy, complete, what):
    BESIDE[what](copy)
    found = iemocap.scan(copy)
    assert found.utterances == complete.utterances
    assert found.problems == [] == found.warnings


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_loses_no_line(iemocap, copy, complete, encoding):
    for path in annotations(copy) + transcriptions(copy):
        path.write_text(path.read_text(), encoding=encoding)
    found = iemocap.scan(copy)
    assert found.utterances == complete.utterances and not found.warnings


def test_case_does_not_matter(take, corpus, copy):
    lower([copy / "Session2"])
    for path in copy.glob("Session1/sentences/wav/*/S*.wav"):
        path.rename(path.with_suffix(".WAV"))
    taken = take(copy)
    assert [u.id for u in taken] == [u.id for u in take(corpus)]
    assert {u.path[:9] for u in taken if u.session == "Session2"} == {"session2/"}
    assert {u.path[-4:] for u in taken if u.session == "Session1"} == {".WAV"}


def test_an_annotation_that_is_cut_short_is_told_by_the_recordings(take, copy):
    (path, *_) = annotations(copy)
    lines = path.read_text().splitlines(keepends=True)
    turns = [n for n, line in enumerate(lines) if line.startswith("[")]
    path.write_text("".join(lines[: turns[2]]))
    wav = copy / f"Session1/sentences/wav/{path.stem}"
    with pytest.raises(CorpusError) as caught:
        take(copy)
    first, second, *_ = str(caught.value).splitlines()
    assert first == f"{copy}: not the expected numbers"
    assert second.startswith(f"{wav}/{path.stem}_")
    assert second.endswith(f"and {len(turns) - 3} more: has no line in its annotation")


def test_a_line_that_is_there_twice_counts_once(iemocap, copy, complete):
    (path, *_) = annotations(copy)
    (line, *_) = (line for line in path.read_text().splitlines() if line.startswith("["))
    turn = line.split("\t")[1]
    with open(path, "a") as file:
        file.write(f"{line}\n")
    found = iemocap.scan(copy)
    assert found.utterances == complete.utterances and not found.problems
    assert found.warnings[0].endswith(f", {turn!r}: repeats a line")
    with open(path, "a") as file:
        file.write("\t".join([*line.split("\t")[:2], "oth", "[1, 2, 3]"]))
    (problem,) = iemocap.scan(copy).problems
    assert problem.endswith(f", {turn!r}: has another emotion than in a line before")


def test_missing_and_unreadable_transcriptions_cost_only_the_texts(take, copy, corpus, caplog):
    (first, second, third, *others) = transcriptions(copy)
    for path in others:
        path.unlink()
    first.unlink()
    first.mkdir()
    second.write_text(second.read_text(), encoding="utf-16-le")
    taken = take(copy)
    assert [u.id for u in taken] == [u.id for u in take(corpus)]
    assert {u.dialogue for u in taken if u.text} == {third.stem}
    assert (
        f"{first}: cannot be read: it is not a regular file; its turns have no text" in caplog.text
    )
    assert f"{second}: is not text, or UTF-16; save it as UTF-8; its turns have" in caplog.text
    more = len(others) - 1
    assert f"{others[0]} and {more} more: is missing; its turns have no text" in caplog.text


def test_a_linked_session_is_one_line(take, copy, tmp_path):
    (copy / "Session1").rename(tmp_path / "Session1")
    (copy / "Session1").symlink_to(tmp_path / "Session1")
    for number in range(2, 5):
        for old in annotations(copy)[:2]:
            shutil.copy(old, old.with_name(f"Ses01F_impro{number + len(old.stem)}.txt"))
    with pytest.raises(CorpusError) as caught:
        take(copy)
    lines = [line for line in str(caught.value).splitlines() if "leads out of" in line]
    assert len(lines) == 1 and "more: leads out of the data folder" in lines[0]
    problems = (tmp_path / "prepared/problems.txt").read_text().splitlines()
    assert sum("leads out of" in line for line in problems) > 3
    assert f"all problems: {tmp_path / 'prepared/problems.txt'}" in str(caught.value)


def test_a_folder_that_cannot_be_read_is_not_called_missing(iemocap, copy, monkeypatch):
    scandir = corpus_folder.os.scandir

    def refuse(path):
        if str(path).endswith("Session1/dialog/EmoEvaluation"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(corpus_folder.os, "scandir", refuse)
    place = copy / "Session1/dialog/EmoEvaluation"
    assert iemocap.scan(copy).problems == [f"{place}: cannot be read: Permission denied"]


@pytest.mark.parametrize("data_folder", [".", "~/corpus", "corpus"])
def test_a_data_folder_as_people_write_it(take, corpus, copy, monkeypatch, data_folder):
    monkeypatch.setenv("HOME", str(copy.parent))
    monkeypatch.chdir(copy if data_folder == "." else copy.parent)
    assert [u.id for u in take(data_folder)] == [u.id for u in take(corpus)]


def test_a_data_folder_that_is_another_has_a_hint(take, copy, monkeypatch):
    with pytest.raises(CorpusError, match=f"CORPUS is missing; .*; try {copy}$"):
        take(copy.with_name("CORPUS"))
    monkeypatch.chdir(copy / "Session1/dialog")
    with pytest.raises(CorpusError, match=f"must be the folder that holds .*; try {copy}$"):
        take(".")
    with pytest.raises(
        CorpusError, match=r"expected_counts.json is not a folder; data_folder must"
    ):
        take(copy / "expected_counts.json")
