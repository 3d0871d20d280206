"""``camser export`` and ``camser classify``, as they are typed."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from camser import cli
from camser.cli import classify
from camser.inference.export_config import write_config
from camser.runtime.digests import file_record


@pytest.fixture
def files(voice_path, tmp_path):
    """Two recordings in a folder, a hidden file, and one that is no sound."""
    folder = tmp_path / "sounds"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.wav", "deep/a.WAV", "._b.wav"):
        shutil.copy(voice_path, folder / name)
    (folder / "notes.txt").write_text("no sound")
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"nothing")
    return folder, bad


@pytest.fixture
def say(export, capfd):
    """Run ``camser classify``; returns the exit status and both streams."""

    def run(*arguments):
        status = 0
        try:
            cli.main(["classify", "--model", str(export), "--device=cpu", *map(str, arguments)])
        except SystemExit as error:
            status = error.code
        return status, *capfd.readouterr()

    return run


def test_a_folder_as_a_table(say, files, classifier):
    folder, _ = files
    status, out, err = say(folder)
    assert (status, err.replace("\r", "").strip()) == (0, "camser: warning: skipped: 1 .txt")
    head, *rows = out.splitlines()
    assert head.split() == ["file", "seconds", "emotion", *classifier.labels]
    assert [row.split()[0] for row in rows] == [str(folder / "b.wav"), str(folder / "deep/a.WAV")]
    found = classifier.classify(folder / "b.wav")
    expected = [f"{v:.1%}" for v in found.probabilities.values()]
    assert rows[0].split()[1:] == ["10.50", found.emotion, *expected]


def test_a_bad_file_is_told_and_the_others_classified(say, files):
    folder, bad = files
    status, out, err = say(bad, folder, "--json")
    assert status == 1
    assert f"camser: {bad}: is no recording in a known format" in err
    failed, *found = json.loads(out)
    assert failed["source"] == str(bad) and failed["error"].startswith("is no recording in a known")
    assert len(found) == 2 and found[0]["seconds"] == 10.5
    status, out, _ = say(bad, "--csv")
    (row,) = csv.DictReader(out.splitlines())
    assert (row["source"], row["error"]) == (str(bad), failed["error"]) and not row["emotion"]
    status, out, err = say("gone.wav", bad, "--timeline", "--json")
    gone = {"source": "gone.wav", "error": "No such file or directory"}
    assert (status, json.loads(out)) == (1, [gone, failed])
    assert err.splitlines()[0] == "camser: gone.wav: No such file or directory"


def test_csv(say, files, classifier):
    status, out, _ = say(files[0], "--csv", "--threshold=1")
    rows = list(csv.DictReader(out.splitlines()))
    assert status == 0 and [row["emotion"] for row in rows] == ["", ""]
    assert sum(float(rows[0][label]) for label in classifier.labels) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("form", ["--table", "--json", "--csv", "--rttm"])
def test_timelines(say, files, form):
    options = () if form == "--table" else (form,)
    status, out, _ = say(
        files[0], files[1], "--timeline", "--hop=0.5", "--smoothing=mean", *options
    )
    assert status == 1
    if form == "--json":
        *found, failed = json.loads(out)
        assert [len(f["windows"]) for f in found] == [16, 16] and failed["source"] == str(files[1])
    elif form == "--csv":
        rows = list(csv.DictReader(out.splitlines()))
        assert len(rows) == 33 and rows[1]["start"] == "0.500" and not rows[1]["error"]
        assert rows[-1]["source"] == str(files[1]) and "no recording" in rows[-1]["error"]
    elif form == "--rttm":
        assert {line.split()[1] for line in out.splitlines()} == {"a", "b"}
    else:
        assert out.count("(10.50 s)") == 2


def test_audacity_takes_one_file(say, files, voice_path):
    status, out, _ = say(voice_path, "--audacity")
    assert status == 0 and out.splitlines()[-1].split("\t")[1] == "10.500000"
    status, _, _ = say(files[0], "--audacity")
    assert "give one file, not 2" in status


def test_mistakes_are_one_line(say, tmp_path, files):
    (tmp_path / "empty").mkdir()
    assert "empty: contains no recording; searched suffixes: " in say(tmp_path / "empty")[0]
    assert "threshold is 2.0; allowed: 0 … 1" in say(files[0], "--threshold=2")[0]
    assert "threshold is 2.0" in say(files[0], "--threshold=2", "--timeline")[0]
    assert "batch_size is 0; allowed" in say(files[0], "--batch-size=0")[0]
    assert "no such folder" in say(files[0], "--model=nowhere")[0]


@pytest.mark.parametrize(
    "option", ["--window=2", "--hop=1", "--smoothing=mean", "--smoothing-seconds=5"]
)
def test_an_option_without_an_effect_is_a_mistake(say, files, option):
    name = option.partition("=")[0]
    assert f"camser: {name} is for timelines; add --timeline" in say(files[0], option, "--json")[0]
    if option == "--smoothing-seconds=5":
        status, _, _ = say(files[0], option, "--rttm")
        assert "--smoothing-seconds has no effect without --smoothing=" in status


def test_recordings_of_one_name_stay_apart_in_rttm(say, voice_path, tmp_path):
    for folder in ("1", "2 3"):
        (tmp_path / folder).mkdir()
        shutil.copy(voice_path, tmp_path / folder / "a b.wav")
    _, out, _ = say(tmp_path, "--rttm")
    assert {line.split()[1] for line in out.splitlines()} == {
        f"{tmp_path}/1/a_b.wav", f"{tmp_path}/2_3/a_b.wav"
    }  # fmt: skip


@pytest.mark.parametrize(
    "form",
    ["--json", *(pytest.param(f"--{f}", marks=pytest.mark.slow) for f in ("table", "csv", "rttm"))],
)
def test_no_result_is_lost_where_the_output_is_not_utf_8(export, voice_path, tmp_path, form):
    names = [b"a.wav", "ä.wav".encode(), "声.wav".encode(), b"\xff.wav", b"z.wav"]
    for name in names:
        shutil.copy(voice_path, os.path.join(os.fsencode(tmp_path), name))
    options = [] if form == "--table" else [form]
    command = [sys.executable, "-m", "camser.cli", "classify", str(tmp_path), *options]
    ended = subprocess.run(
        [*command, f"--model={export}", "--device=cpu"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"},
    )
    assert ended.returncode == 0, ended.stderr
    out = ended.stdout.decode("ascii")
    for name in ("a", "\\xe4", "\\u58f0", "\\udcff", "z"):
        name = name.replace("\\x", "\\u00") if form == "--json" else name
        assert name + (" " if form == "--rttm" else ".wav") in out


def test_many_files_show_a_bar(classifier, monkeypatch):
    shown = []
    monkeypatch.setattr("tqdm.tqdm.__init__", lambda self, items, **options: shown.append(options))
    monkeypatch.setattr("tqdm.tqdm.__iter__", lambda self: iter([]))
    classify.classify(classifier, ["a.wav", "b.wav"])
    classify.classify(classifier, ["a.wav"])
    assert [s["disable"] for s in shown] == [None, True]  # None: where there is a terminal


def test_export_as_it_is_typed(trained, tmp_path, capfd):
    given = ["export", str(trained.output_folder), str(tmp_path / "out"), "--no-verify"]
    cli.main(given)
    assert capfd.readouterr().out.strip() == str(tmp_path / "out")
    assert "not verified" in (tmp_path / "out/README.md").read_text()
    with pytest.raises(SystemExit, match=r"camser: .*out exists; give another folder"):
        cli.main(given)
    with pytest.raises(SystemExit, match="the run has not ended"):
        cli.main(["export", str(tmp_path), str(tmp_path / "other")])


def test_a_moved_corpus_may_have_any_name(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = []
    monkeypatch.setattr(
        "camser.export.export_run.export_run", lambda *args, **_: asked.append(args)
    )
    for folder in ("run #2: b", "{emodb: ~/emodb}"):
        cli.main(["export", "run", "folder", "--data-folder", folder])
    assert [args[2] for args in asked] == ["run #2: b", {"emodb": f"{tmp_path}/emodb"}]
    with pytest.raises(SystemExit, match="camser: --data-folder: not valid YAML"):
        cli.main(["export", "run", "folder", "--data-folder={emodb: /run #2}"])


def test_bad_arguments_end_no_batch(say, files):
    folder, bad = files
    status, out, err = say("", folder / "b.wav", "x" * 300, "gone*.wav", bad, folder, "--json")
    sources = [row["source"] for row in json.loads(out) if "error" not in row]
    assert status == 1 and len(sources) == 3
    lines = [line for line in err.replace("\r", "\n").splitlines() if line.strip()]
    assert [line.split(": ")[0] for line in lines] == ["camser"] * 5
    assert "skipped: " in lines[4]
    assert "an empty argument" in lines[0] and "File name too long" in lines[1]
    assert "camser: '': an empty argument; give a file or a folder" in say("")[0]


def test_a_model_may_be_in_the_home_folder(export, wave_path, monkeypatch, capfd):
    monkeypatch.setenv("HOME", str(export.parent))
    cli.main(["classify", f"--model=~/{export.name}", "--device=cpu", "--json", str(wave_path)])
    assert len(json.loads(capfd.readouterr().out)) == 1


def test_a_list_names_any_number_of_files(say, files, tmp_path):
    folder, bad = files
    (tmp_path / "list").write_text(f"{folder / 'b.wav'}\n\n{bad}\n{folder / 'deep/a.WAV'}\n")
    status, out, err = say("--file-list", tmp_path / "list", "--csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert status == 1 and f"camser: {bad}" in err
    expected = [str(folder / "b.wav"), str(bad), str(folder / "deep/a.WAV")]
    assert [row["source"] for row in rows] == expected
    (tmp_path / "empty").write_text("\n")
    assert (
        "contains no path; it must contain one path per line"
        in say("--file-list", tmp_path / "empty")[0]
    )
    assert "nothing to classify; give files, folders, or --file-list FILE" in say()[0]


def test_names_that_are_no_text_or_would_move_the_cursor(say, wave_path, tmp_path):
    odd = tmp_path / "odd"
    odd.mkdir()
    for name in (b"a\xff.wav", b"b\x1b[2J.wav"):
        shutil.copy(wave_path, os.path.join(os.fsencode(odd), name))
    (odd / "c\x1b[2J.wav").write_bytes(b"no sound")
    status, out, err = say(odd)
    assert status == 1 and "\x1b" not in out + err
    assert "a\\udcff.wav" in out and "b\\x1b[2J.wav" in out and "c\\x1b[2J.wav" in err
    status, out, _ = say(odd, "--json")
    assert json.loads(out)[0]["source"] == str(odd / "a\udcff.wav")
    assert say(odd, "--csv")[0] == 1


def test_what_divides_lines_elsewhere_divides_no_row(say, wave_path, tmp_path):
    name = str(tmp_path / "a\x0cb\x85c\u2028d\ne\rf.wav")
    shutil.copy(wave_path, name)
    for options in (("--csv",), ("--csv", "--timeline")):
        _, out, _ = say(name, wave_path, *options)
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        assert {row["source"] for row in rows} == {name, str(wave_path)}
        assert len(rows) == out.count("\n") - 1 - [row["source"] for row in rows].count(name)


def test_an_export_cannot_clear_the_terminal(export, wave_path, tmp_path):
    folder = shutil.copytree(export, tmp_path / "export")
    path = folder / "model.safetensors"
    save_file({"\x1b[2Jall is well\nreally": torch.zeros(1)}, path)
    config = json.loads((folder / "config.json").read_text())
    write_config(folder, {**config, "weights": file_record(path), "digest": None})
    with pytest.raises(SystemExit, match=r"\\x1b\[2Jall is well") as told:
        cli.main(["classify", "--model", str(folder), "--engine=torch", str(wave_path)])
    assert "\x1b" not in str(told.value)
