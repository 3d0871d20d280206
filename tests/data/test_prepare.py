"""Preparation: the whole annotation format, and one clear error for every kind of bad corpus."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from camser import audio
from camser.data.left_out import log_left_out
from camser.data.manifest import read_manifest
from camser.data.packed_audio import PackedAudio
from camser.data.prepare import CorpusError, CorpusScan, prepare
from tests.helpers.recipe_runs import close_logs, load_module, start_run

LABELS = ["angry", "sad", "happy", "neutral"]


@pytest.fixture
def copy(corpus, tmp_path):
    return shutil.copytree(corpus, tmp_path / "corpus")


@pytest.fixture
def go(iemocap, tmp_path):
    def run(folder, allow_missing=False, **more):
        settings = {"labels": LABELS, "merge_labels": {"excited": "happy"}, **more}
        return prepare(
            iemocap.scan, folder, tmp_path / "prepared", allow_missing=allow_missing, **settings
        ).utterances

    return run


def some_wav(folder, utterance):
    return folder / utterance.path


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
    hint = f"; try {corpus}" if level != "elsewhere" else "Session5$"
    with pytest.raises(
        CorpusError, match=f"must be the folder that holds Session1 … Session5.*{hint}|{hint}"
    ):
        go(wrong)


def test_a_folder_that_is_none(go, tmp_path):
    with pytest.raises(CorpusError, match="absent is not a folder"):
        go(tmp_path / "absent")


def test_everything_missing_is_listed_at_once_with_a_table(copy, corpus, go, tmp_path):
    utterances = go(corpus)
    gone = next(u for u in utterances if u.session == "Session2")
    shutil.rmtree(copy / "Session4")
    annotation = sorted((copy / "Session1/dialog/EmoEvaluation").glob("S*.txt"))[0]
    annotation.unlink()
    (copy / gone.path).unlink()
    with pytest.raises(CorpusError) as caught:
        go(copy)
    message = str(caught.value)
    assert f"{copy / 'Session4/dialog/EmoEvaluation'} is missing" in message
    assert f"{annotation} is missing" in message
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


def write(path, samples, rate=16000, subtype="PCM_16"):
    soundfile.write(path, samples, rate, subtype=subtype)


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


NOISE = np.random.default_rng(0).normal(0, 0.1, 16000)
BROKEN = {
    "not a readable sound file": lambda p: p.write_bytes(b"RIFF garbage"),
    "holds no samples": lambda p: write(p, NOISE[:0]),
    "truncated": lambda p: cut(p, 4000),
    "holds NaN": lambda p: write(p, np.where(NOISE > 0.2, np.nan, NOISE), subtype="FLOAT"),
    "sampled at 4000 Hz": lambda p: write(p, NOISE, 4000),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_recording_is_refused_by_name(copy, corpus, go, reason):
    victim = copy / go(corpus)[5].path
    BROKEN[reason](victim)
    with pytest.raises(CorpusError, match=f"{victim}: {reason}"):
        go(copy)
    assert len(go(copy, allow_missing=True)) == len(go(corpus)) - 1


@pytest.mark.parametrize("rate, channels", [(16000, 2), (8000, 1), (44100, 2)])
def test_a_sane_recording_is_taken_with_its_length_at_16_khz(copy, corpus, go, rate, channels):
    number = 5
    victim = copy / go(corpus)[number].path
    write(victim, np.tile(np.random.default_rng(1).normal(0, 0.1, (rate, 1)), channels), rate)
    assert go(copy)[number].seconds == pytest.approx(1.0, abs=1 / 16000)


def test_malformed_annotation_lines_are_named_with_their_number(copy, go):
    path = sorted((copy / "Session1/dialog/EmoEvaluation").glob("S*.txt"))[0]
    text = path.read_text()
    path.write_text(text + "[1.0 - 2.0]\tSes01F_impro01_F999\tjoy\t[1, 2, 3]\n[broken\n")
    with pytest.raises(CorpusError) as caught:
        go(copy)
    lines = len(text.splitlines())
    assert f"{path}, line {lines + 1}: not a turn with a known emotion" in str(caught.value)
    assert f"{path}, line {lines + 2}: not a turn" in str(caught.value)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorpusError, match="holds no turn"):
        go(copy)


@pytest.fixture
def decoded(monkeypatch):
    """The paths that were decoded."""
    paths, read = [], audio.load
    monkeypatch.setattr(audio, "load", lambda path: paths.append(path) or read(path))
    return paths


def test_preparing_and_training_decode_every_recording_once(iemocap, corpus, decoded, tmp_path):
    where = iemocap.scan, corpus, tmp_path / "prepared"
    job = start_run(*where, tmp_path / "run")
    job.train()
    job.test()
    assert sorted(decoded) == sorted(corpus / u.path for u in job.utterances)
    decoded.clear()
    again = start_run(*where, tmp_path / "again")
    close_logs()
    assert again.utterances == job.utterances and not decoded


def test_a_changed_recording_changes_its_digest(copy, go, decoded, tmp_path):
    before = go(copy)
    decoded.clear()
    assert go(copy) == before and not decoded
    victim = before[3]
    write(copy / victim.path, NOISE)
    after = go(copy)
    assert len(decoded) == len(before)  # into a new pack
    changed = [b.id for b, a in zip(before, after, strict=True) if b.digest != a.digest]
    assert changed == [victim.id]
    decoded.clear()
    packed = PackedAudio(after, copy, tmp_path / "prepared")
    assert not decoded
    assert torch.equal(packed.waveform(after[3]), torch.from_numpy(audio.load(copy / victim.path)))


def test_unreadable_recordings_leave_nothing_among_the_samples(copy, go, decoded, tmp_path):
    utterances = go(copy)
    cut, spoilt = (copy / utterances[n].path for n in (2, 5))
    cut.write_bytes(cut.read_bytes()[:-1000])
    samples = audio.load(spoilt)
    samples[-1] = np.nan
    write(spoilt, samples, subtype="FLOAT")
    with pytest.raises(CorpusError, match=f"(?s){cut}: truncated.*{spoilt}: holds NaN"):
        go(copy)
    decoded.clear()
    left = go(copy, allow_missing=True)
    assert sorted(decoded) == sorted([cut, spoilt])  # are they readable now?
    assert [u.id for u in left] == [u.id for u in utterances if copy / u.path not in (cut, spoilt)]
    packed = PackedAudio(left, copy, tmp_path / "prepared")
    assert len(decoded) == 2
    for u in left:
        assert torch.equal(packed.waveform(u), torch.from_numpy(audio.load(copy / u.path)))


def test_a_killed_preparation_starts_again(copy, go, decoded, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(*args, **kwargs):
        raise Killed

    for name in ("pack.write_index", "pack.os.replace", "prepare.json.dump"):
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(f"camser.data.{name}", kill)
            go(copy)
    decoded.clear()
    utterances = go(copy)
    assert len(decoded) == len(utterances)
    packed = PackedAudio(utterances, copy, tmp_path / "prepared")
    assert len(decoded) == len(utterances)
    assert len(list((tmp_path / "prepared/packed").glob("[!.]*"))) == 2
    waveform = torch.from_numpy(audio.load(copy / utterances[7].path))
    assert torch.equal(packed.waveform(utterances[7]), waveform)


def test_nothing_is_left_that_a_later_run_would_trust(copy, corpus, go, tmp_path):
    (copy / go(corpus)[0].path).unlink()
    (tmp_path / "prepared/manifest.csv").unlink()
    with pytest.raises(CorpusError):
        go(copy)
    assert not (tmp_path / "prepared/manifest.csv").exists()


def test_emodb_is_read_from_its_file_names(tmp_path):
    emodb = load_module("recipes/EmoDB/emodb_prepare.py")
    (tmp_path / "wav").mkdir()
    names = ["03a01Wa", "08b02Fb", "10a07Ta", "16b10Nd", "09a01La"]
    for name in names:
        write(tmp_path / f"wav/{name}.wav", NOISE)
    (tmp_path / "wav/readme.txt").write_text("")
    found = emodb.scan(tmp_path)
    assert [(u.speaker, u.gender, u.emotion, u.text) for u in found.utterances] == [
        ("emodb/03", "male", "angry", "a01"),
        ("emodb/08", "female", "happy", "b02"),
        ("emodb/09", "female", "bored", "a01"),
        ("emodb/10", "male", "sad", "a07"),
        ("emodb/16", "female", "neutral", "b10"),
    ]
    write(tmp_path / "wav/99a01Wa.wav", NOISE)
    assert "99a01Wa.wav: not an EmoDB name" in emodb.scan(tmp_path).problems[0]
    with pytest.raises(CorpusError, match=f"must be the folder that holds wav; try {tmp_path}"):
        emodb.scan(tmp_path / "wav")
    with pytest.raises(CorpusError, match="1/127"):
        prepare(emodb.scan, tmp_path, tmp_path / "out", LABELS, {})


@pytest.mark.parametrize(
    ("merge_labels", "checked"),
    [
        ({}, True),
        ({"excited": "happy", "calm": "neutral"}, True),  # EmoDB has neither
        ({"bored": "neutral"}, False),  # this one makes other numbers
    ],
)
def test_only_a_merging_of_emotions_that_are_there_makes_other_numbers(
    tmp_path, merge_labels, checked
):
    emodb = load_module("recipes/EmoDB/emodb_prepare.py")
    (tmp_path / "wav").mkdir()
    for initial in "WTFNL":
        write(tmp_path / f"wav/03a01{initial}a.wav", NOISE)
    arguments = (emodb.scan, tmp_path, tmp_path / "out", LABELS, merge_labels)
    if checked:
        with pytest.raises(CorpusError, match="1/127"):
            prepare(*arguments)
    else:
        assert len(prepare(*arguments).utterances) == 5


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


@pytest.mark.parametrize("given", [None, 7, {"emodb": "/data/emodb"}])
def test_a_data_folder_that_is_no_path_is_refused(go, given):
    with pytest.raises(CorpusError, match="is not a folder; data_folder must hold the corpus"):
        go(given)


def test_a_scan_without_expectations_only_counts(corpus, iemocap, tmp_path):
    def scan(folder):
        return CorpusScan(iemocap.scan(folder).utterances, [])

    assert prepare(scan, corpus, tmp_path, LABELS, {"excited": "happy"}).utterances


def test_a_damaged_cache_of_lengths_is_read_by_nobody(copy, go, tmp_path):
    before, path = go(copy), tmp_path / "prepared/audio.json"
    whole = path.read_text()
    seconds = f" {before[3].seconds}, "
    assert seconds in whole
    for damaged in (whole.replace(seconds, " 9.5, "), whole[:-7], "", "[]", '{"files": {}}'):
        path.write_text(damaged)
        assert go(copy) == before and path.read_text() == whole


# Labels of no class -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left_out", "warned"),
    [
        ({"frustrated": 1849, "undecided": 2507}, ()),  # ordinary in IEMOCAP
        ({"bored": 81, "fearful": 69, "disgusted": 46, "surprised": 1, "calm": 1}, ()),
        ({"HAPPY": 2, "sad ": 1, "neutrall": 1}, ("'HAPPY'", "'sad '", "'neutrall'")),
    ],
)
def test_a_label_that_is_nearly_a_class_is_a_warning(left_out, warned, caplog):
    caplog.set_level("INFO")
    log_left_out(left_out, LABELS)
    (record,) = caplog.records
    assert record.levelname == ("WARNING" if warned else "INFO")
    assert all(f"{name} {number}" in record.message for name, number in left_out.items())
    assert all(f"{name} is nearly" in record.message for name in warned)


def test_without_labels_of_no_class_nothing_is_said(caplog):
    caplog.set_level("INFO")
    log_left_out({}, LABELS)
    assert not caplog.records


def test_labels_of_no_class_are_counted(iemocap, corpus, tmp_path):
    def scan(folder):
        found = iemocap.scan(folder)
        first = replace(found.utterances[0], emotion="Angry")
        return found._replace(utterances=[first, *found.utterances[1:]])

    scanned = Counter(u.emotion for u in scan(corpus).utterances)
    with pytest.raises(CorpusError, match=r"left out: .*Angry 1.*'Angry' is nearly 'angry'"):
        prepare(scan, corpus, tmp_path, LABELS, {"excited": "happy"})
    settings = LABELS, {"excited": "happy"}, True
    found = prepare(scan, corpus, tmp_path, *settings)
    others = {e: n for e, n in scanned.items() if e not in (*LABELS, "excited")}
    assert found.left_out == others and found.left_out["Angry"] == 1
    assert list(found.left_out.values()) == sorted(others.values(), reverse=True)
    with pytest.raises(CorpusError, match=r"no utterance of joyful(.|\n)*left out: "):
        prepare(scan, corpus, tmp_path, ["joyful"], {}, True)
