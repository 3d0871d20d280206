"""Preparation: the whole annotation format, and one clear error for every kind of bad corpus."""

import json
import shutil
from collections import Counter

import pytest
import soundfile

from camser.data.manifest import read_manifest
from camser.data.prepare import CorpusError, CorpusScan, prepare
from tests.data.conftest import LABELS


def test_the_manifest_holds_what_the_corpus_says(corpus, go, tmp_path):
    utterances = go(corpus)
    expected = json.loads((corpus / "expected_counts.json").read_text())
    found = Counter((u.session, u.emotion) for u in utterances)
    assert found == {(s, e): n for s, row in expected.items() for e, n in row.items() if n}
    assert read_manifest(tmp_path / "prepared/manifest.csv") == utterances
    for u in utterances:
        turn = u.id.removeprefix("iemocap/")
        assert u.speaker == f"iemocap/{turn[:5]}{turn.split('_')[-1][0]}"
        assert u.gender == {"F": "female", "M": "male"}[u.speaker[-1]]
        assert u.style == ("scripted" if "script" in u.dialogue else "improvised")
        assert u.text and u.dialogue in u.path and u.session in u.path
        info = soundfile.info(corpus / u.path)
        assert u.seconds == info.frames / info.samplerate
    assert len({u.speaker for u in utterances}) == 10
    # The marker's wearer names the dialogue, not the speaker.
    assert {u.gender for u in utterances if "Ses01F" in u.dialogue} == {"female", "male"}


def test_the_published_numbers_are_the_papers(iemocap):
    totals = {s: sum(row.values()) for s, row in iemocap.COUNTS.items()}
    assert list(totals.values()) == [1085, 1023, 1151, 1031, 1241]
    classes = Counter()
    for row in iemocap.COUNTS.values():
        classes.update(row)
    assert classes == {"angry": 1103, "happy": 1636, "sad": 1084, "neutral": 1708}


def test_labels_and_merging_choose_the_utterances(corpus, go):
    apart = go(corpus, labels=["happy", "excited", "frustrated"], merge_labels={})
    assert {u.emotion for u in apart} == {"happy", "excited", "frustrated"}
    with pytest.raises(CorpusError, match="no utterance of joyful"):
        go(corpus, labels=["angry", "joyful"])


@pytest.mark.parametrize("level", ["above", "below", "elsewhere"])
def test_a_folder_one_level_off_is_told_the_right_one(corpus, go, tmp_path, level):
    wrong = {"above": corpus.parent, "below": corpus / "Session3", "elsewhere": tmp_path}[level]
    hint = f"; try {corpus}" if level != "elsewhere" else ""
    needs = "data_folder must be the folder that holds Session1 … Session5"
    with pytest.raises(CorpusError, match=f"^{wrong} holds none of .*Session5; {needs}{hint}$"):
        go(wrong)


def test_a_folder_that_is_none(go, tmp_path):
    with pytest.raises(CorpusError, match=r"absent is missing; data_folder must hold the corpus$"):
        go(tmp_path / "absent")


@pytest.mark.parametrize("given", [None, 7, {"emodb": "/data/emodb"}])
def test_a_data_folder_that_is_no_path_is_refused(go, given):
    message = r"data_folder is .*; it must be the folder that holds the corpus"
    with pytest.raises(CorpusError, match=message):
        go(given)


def test_everything_missing_is_listed_at_once_with_a_table(copy, corpus, go):
    utterances = go(corpus)
    gone = next(u for u in utterances if u.session == "Session2")
    shutil.rmtree(copy / "Session4")
    annotation = sorted((copy / "Session1/dialog/EmoEvaluation").glob("S*.txt"))[0]
    annotation.unlink()
    (copy / gone.path).unlink()
    with pytest.raises(CorpusError) as caught:
        go(copy)
    message = str(caught.value)
    assert f"{copy / 'Session4/dialog/EmoEvaluation'}: is missing" in message
    assert f"{annotation}: is missing" in message
    assert f"{copy / gone.path}: there is no such file" in message
    assert "utterances found/expected" in message and "0/" in message
    assert "to use only the valid files, set allow_missing: true" in message
    there = go(copy, allow_missing=True)
    left = [u for u in utterances if u.session != "Session4" and u.dialogue != annotation.stem]
    assert [u.id for u in there] == [u.id for u in left if u.id != gone.id]


def test_a_count_that_differs_is_an_error_though_no_file_is_missing(copy, go):
    counts = json.loads((copy / "expected_counts.json").read_text())
    counts["Session3"]["sad"] += 5
    (copy / "expected_counts.json").write_text(json.dumps(counts))
    found = counts["Session3"]["sad"] - 5
    with pytest.raises(CorpusError, match=rf": not the expected numbers(.|\n)*{found}/{found + 5}"):
        go(copy)


def test_another_merging_than_the_numbers_are_for_makes_them_void(copy, go):
    """Happy alone is fewer than happy and excited, and that is no mistake."""
    assert len(go(copy, merge_labels={})) < len(go(copy))
    assert go(copy, merge_labels={"excited": "happy", "absent": "sad"}) == go(copy)
    counts = json.loads((copy / "expected_counts.json").read_text())
    counts["Session3"]["sad"] += 5
    (copy / "expected_counts.json").write_text(json.dumps(counts))
    assert go(copy, merge_labels={})
    with pytest.raises(CorpusError, match="not the expected numbers"):
        go(copy, merge_labels={"excited": "happy", "absent": "sad"})


def test_a_scan_without_expectations_only_counts(corpus, iemocap, tmp_path):
    def scan(folder):
        return CorpusScan(iemocap.scan(folder).utterances, [])

    assert prepare(scan, corpus, tmp_path, LABELS, {"excited": "happy"}).utterances


def test_malformed_annotation_lines_are_named_with_their_number(copy, go):
    path = sorted((copy / "Session1/dialog/EmoEvaluation").glob("S*.txt"))[0]
    text = path.read_text()
    path.write_text(text + "[1.0 - 2.0]\tSes01F_impro01_F999\tjoy\t[1, 2, 3]\n[broken\n")
    with pytest.raises(CorpusError) as caught:
        go(copy)
    lines = len(text.splitlines())
    assert f"{path}, line {lines + 1}, '[1.0 - 2.0]" in str(caught.value)
    assert f"{path}, line {lines + 2}, '[broken': is not a turn with a known em" in str(
        caught.value
    )
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorpusError, match="holds no turn"):
        go(copy)


def test_nothing_is_left_that_a_later_run_would_trust(copy, corpus, go, tmp_path):
    (copy / go(corpus)[0].path).unlink()
    (tmp_path / "prepared/manifest.csv").unlink()
    with pytest.raises(CorpusError):
        go(copy)
    assert not (tmp_path / "prepared/manifest.csv").exists()


def test_styles_select_the_utterances_and_the_others_are_counted(corpus, go, iemocap, tmp_path):
    everything = go(corpus)
    improvised = go(corpus, styles=["improvised"])
    assert improvised == [u for u in everything if u.style == "improvised"]
    assert 0 < len(improvised) < len(everything)
    assert go(corpus, styles=["improvised", "scripted"]) == everything
    own = go(corpus, styles=["improvised"], merge_labels={})  # the subset of most rivals
    assert {u.id for u in own} < {u.id for u in improvised}
    where = iemocap.scan, corpus, tmp_path / "prepared", ["angry", "sad", "happy", "neutral"]
    left_out = prepare(*where, {}, styles=["scripted"]).left_out
    spoken = [u for u in iemocap.scan(corpus).utterances if u.style == "improvised"]
    assert left_out["improvised speech"] == len(spoken)
    with pytest.raises(ValueError, match="styles has 'spontaneous'; allowed: improvised, scripted"):
        go(corpus, styles=["spontaneous"])
