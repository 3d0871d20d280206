"""``camser classify`` on files without speech: warnings, or errors with ``--require-speech``."""

import csv
import json

import numpy as np
import pytest
import soundfile

from camser import cli

SILENT = "is silent: every sample is 0"


@pytest.fixture
def files(voice_path, tmp_path):
    """Speech, silence, and noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, 32000)
    for name, samples in (("silent", np.zeros(32000)), ("noise\x1b[2J", noise)):
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000)
    return [str(voice_path), *(str(tmp_path / f"{n}.wav") for n in ("silent", "noise\x1b[2J"))]


@pytest.fixture
def say(export, capfd):
    """Run ``camser classify``; returns the exit status and both streams."""

    def run(*arguments):
        status = 0
        try:
            cli.main(["classify", "--model", str(export), "--device=cpu", *arguments])
        except SystemExit as error:
            status = error.code
        return status, *capfd.readouterr()

    return run


@pytest.mark.parametrize("options", [(), ("--json",), ("--csv",), ("--timeline",), ("--rttm",)])
def test_a_warning_is_printed_apart_from_the_results(say, files, options):
    status, out, err = say(*files, *options)
    lines = [line for line in err.replace("\r", "\n").splitlines() if line.startswith("camser")]
    assert status == 0 and "\x1b" not in err and "holds no speech" not in out.split("warnings")[0]
    assert lines[0] == f"camser: warning: {files[1]}: {SILENT}"
    assert "noise\\x1b[2J.wav: holds no speech" in lines[1] and len(lines) == 2


def test_json_and_csv_hold_the_warnings(say, files):
    found = json.loads(say(*files, "--json")[1])
    assert [p["warnings"] for p in found[:2]] == [[], [SILENT]]
    rows = list(csv.DictReader(say(*files, "--csv")[1].splitlines()))
    assert [row["warnings"] for row in rows[:2]] == ["", SILENT] and rows[2]["warnings"]


def test_along_silence_there_is_no_emotion(say, files):
    found = json.loads(say(*files, "--timeline", "--json")[1])
    assert [bool(t["turns"]) for t in found] == [True, False, False]
    assert found[1]["warnings"] == [SILENT] and found[1]["windows"][0]["speech"] == 0
    rows = list(csv.DictReader(say(*files[:2], "--timeline", "--csv")[1].splitlines()))
    for row in rows:
        assert bool(row["emotion"]) == (float(row["speech"]) > 0)
    assert {row["source"] for row in rows if row["emotion"]} == {files[0]}
    assert {line.split()[1] for line in say(*files, "--rttm")[1].splitlines()} == {"voice"}


@pytest.mark.parametrize("options", [(), ("--timeline",)])
def test_speech_can_be_required(say, files, options):
    status, out, err = say(*files, "--require-speech", "--json", *options)
    rows = json.loads(out)
    assert status == 1 and [row["source"] for row in rows] == files
    assert ["error" in row for row in rows] == [False, True, True]
    assert f"camser: {files[1]}: {SILENT}" in err and "warning" not in err
