"""Files of strangers: what is written is read, what is hostile is refused by name; in bounds."""

import json
import os
import sys
import zipfile
from random import Random
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from camser import audio
from camser.config.command_line import SettingsError
from camser.config.overrides import check_tree_size
from camser.data import manifest
from camser.data.manifest import ManifestError, Utterance
from camser.evaluation import results
from camser.runtime.digests import FileRecord
from camser.runtime.safe_io import mismatch, read_json, read_text
from robustness.fuzzing import coverage_guided, fuzz, readers
from robustness.harness.watchdog import LOST, Watch

QUICK = settings(max_examples=50, derandomize=True, database=None, deadline=None)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LINES = st.sampled_from(["", "\u2028", "\x0b", "\x1c", "\x85", "\r", '"\n"', ",", "\0"])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.mark.parametrize("target", readers.targets(), ids=lambda target: target.name)
def test_a_few_hostile_files_of_each_kind(target, tmp_path):
    for number in range(20 // target.slow):
        assert fuzz.trial(target, Random(f"quick/{target.name}/{number}"), tmp_path / "hostile")


@QUICK
@given(text=st.lists(TEXT | LINES).map("".join), name=TEXT, seconds=st.floats(1e-9, 1e9))
@pytest.mark.skipif(sys.version_info < (3, 11), reason="csv reads no NUL before Python 3.11")
def test_a_manifest_of_any_text_is_read_as_it_was_written(place, text, name, seconds):
    row = Utterance(
        "x/" + name, "x", "a.wav", seconds, "x/a", "male", name, emotion="sad", text=text
    )
    manifest.write_manifest(place / "manifest.csv", [row])
    assert manifest.read_manifest(place / "manifest.csv") == [row]
    results.write_predictions(place, [row], [[-1.0, seconds]], ["a", "b"])
    (read,) = results.read_predictions(place / results.PREDICTIONS)
    assert (read["id"], read["label"], float(read["b"])) == (row.id, "sad", seconds)


@QUICK
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    )
)  # fmt: skip
def test_json_of_any_plain_value_is_read_as_it_was_written(place, value):
    (place / "a.json").write_text(json.dumps(value))
    assert read_json(place / "a.json") == value


@pytest.mark.parametrize(
    "text", ["NaN", "-Infinity", "1e999", "9" * 30, "-" + "9" * 5000, "[" * 100_000, "{", "\xff"]
)
def test_json_beyond_its_bounds_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError):
        read_json(tmp_path / "a.json")


def test_what_never_ends_or_is_too_large_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "large").write_text("12345")
    for name in ("pipe", "endless"):
        with pytest.raises(ValueError, match="not a regular file"):
            read_text(tmp_path / name)
        with pytest.raises(audio.AudioError, match=name):
            audio.load(tmp_path / name)
    with pytest.raises(ValueError, match="5 bytes; at most 4"):
        read_text(tmp_path / "large", 4)


A_FLOAT = "it is {'a': [True]}; an entry of it must be a number"


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        ({"a": [1, 2.5, None]}, dict[str, list[float | None]], None),
        ({"a": [True]}, dict[str, list[float]], A_FLOAT),
        ([1, True], list[int], "it[1] is True; it must be a whole number"),
        ({1: 2}, dict[str, int], "it is {1: 2}; a key of it must be a string"),
        ([], dict[str, Any], "it is []; it must be a table"),
        ({"bytes": 1}, FileRecord, "it lacks digest"),
        ({"bytes": 10**400, "digest": 5}, FileRecord, "digest is 5; it must be a string"),
    ],
)
def test_data_of_a_wrong_type_are_told_at_every_depth(value, kind, told):
    assert mismatch(value, kind) == told


def test_a_link_leads_nowhere_outside(tmp_path):
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir(), elsewhere.mkdir()
    (elsewhere / "a.wav").touch(), (data / "own.wav").touch()
    (data / "file.wav").symlink_to(elsewhere / "a.wav")
    (data / "folder").symlink_to(elsewhere)
    (data / "circle").symlink_to(data / "circle")
    (data / "inner.wav").symlink_to(data / "own.wav")
    (tmp_path / "link").symlink_to(data)
    for path in ("file.wav", "folder/a.wav", "../elsewhere/a.wav", str(elsewhere / "a.wav")):
        with pytest.raises(ManifestError, match=r"out of the data folder .*copy or hard-link"):
            manifest.resolve_inside(data, path)
    for folder in (data, tmp_path / "link"):
        assert manifest.resolve_inside(folder, "inner.wav") == folder / "inner.wav"
    with pytest.raises(ManifestError, match="data/circle"):
        manifest.read_manifest(manifest.resolve_inside(data, "circle"))


@pytest.mark.parametrize(
    "name", ["Ses01F_impro01_", "Ses01F_impro01_x/../../F1", "Ses01F_impro01_F/x"]
)
def test_a_turn_that_names_no_speaker_or_another_place_is_told(tmp_path, name):
    import iemocap_prepare

    place = readers.annotation(Random(0), tmp_path)
    path = place / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    path.write_text(f"[6.29 - 8.23]\t{name}\tneu\t[2.5, 2.5, 2.5]\n")
    (place / "expected_counts.json").unlink()
    found = iemocap_prepare.scan(place)
    assert not found.utterances and any(repr(name) in problem for problem in found.problems)


@pytest.mark.parametrize("rate, told", [(4000, "4000 Hz"), (2**31 - 1, "2147483647 Hz")])
def test_rates_of_no_microphone_are_refused(tmp_path, rate, told):
    soundfile.write(tmp_path / "a.wav", np.zeros(100), rate)
    with pytest.raises(audio.AudioError, match=f"{told}; allowed: 8000 to 1000000"):
        audio.load(tmp_path / "a.wav")


@pytest.mark.parametrize("value", [1e30, -1e10])
def test_samples_whose_powers_overflow_are_refused(tmp_path, value):
    soundfile.write(tmp_path / "a.wav", np.full(100, value), 16000, subtype="FLOAT")
    with pytest.raises(audio.AudioError, match="holds samples beyond"):
        audio.load(tmp_path / "a.wav")


@pytest.mark.parametrize("shape", ["(10**12,)", "(1000000000000,)", "(-1,)", "(2, 3)"])
def test_an_array_takes_no_more_than_its_file_holds(tmp_path, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(8)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("x.npy", data)
    with pytest.raises(results.ResultsError, match="npz is damaged"):
        results.read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_arrays_are_packed_as_numpy_packs_them(tmp_path, packed):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", packed) as file:
        file.writestr("a.npy", bytes(1000))
    data = bytearray(path.read_bytes())
    data[45:60] = b"\xff" * 15  # LZMA raises what is neither an OSError nor a ValueError
    path.write_bytes(data)
    with pytest.raises(results.ResultsError, match=r"a\.npy has compression method 1[24]; allowed"):
        results.read_arrays(path)


def test_aliases_and_depth_are_counted_as_they_would_be_written_out():
    bomb = ["x"] * 10
    for _ in range(12):
        bomb = [bomb] * 10
    circle: list = []
    circle.append(circle)
    with pytest.raises(SettingsError, match="more than 100000 values"):
        check_tree_size(bomb, "here")
    with pytest.raises(SettingsError, match="here: nested deeper than 50"):
        check_tree_size(circle, "here")
    check_tree_size([["x"] * 1000] * 90, "here")


@pytest.mark.parametrize(
    "value",
    ["[" * 5000, "!!timestamp 2001-99-99", "9" * 5000, "<seed>: 1: 2"],
)
def test_a_strange_override_is_a_settings_error(value):
    from camser.config.settings import read_arguments
    from tests.helpers.recipe_runs import TINY

    with pytest.raises(SettingsError):
        read_arguments([TINY, "--data_folder=x", "--output_folder=y", f"--labels={value}"])


def test_a_crash_a_hang_and_an_exception_are_noticed():
    def trial(index):
        if index == 1:
            os.kill(os.getpid(), 9)
        if index == 2:
            bytearray(2**40)
        if index == 3:
            import time

            time.sleep(60)
        return "fine"

    found = [happened for _, happened, _ in Watch(trial, seconds=1.0).watched(5)]
    lost = [f"{LOST}killed by SIGKILL", f"{LOST}MemoryError", f"{LOST}a hang"]
    assert found == ["fine", *lost, "fine"]


def test_a_mutation_draws_the_bytes_and_then_always_the_same():
    drawn = coverage_guided.Drawn(bytes([3, 200, 255]))
    assert drawn.getrandbits(8) == 3 and drawn.randrange(150) == 50 and drawn.getrandbits(4) == 15
    rest = [
        coverage_guided.Drawn(data).choices(range(10**6), k=3) for data in (b"", b"\1\2\3\4\5\6")
    ]
    assert rest[0] == coverage_guided.Drawn(b"").choices(range(10**6), k=3) != rest[1]


def test_guided_by_branches_it_finds_what_is_behind_three_of_them(tmp_path):
    atheris = pytest.importorskip("atheris")

    @atheris.instrument_func
    def read(path):
        for byte, magic in zip(path.read_bytes(), b"WAV", strict=True):
            if byte != magic:
                raise ValueError(f"{path}: not such a file")
        raise KeyError("found")

    def write(random, place):
        (place / "file").write_bytes(bytes(random.randrange(256) for _ in range(3)))
        return place / "file"

    finder = coverage_guided.Guided(
        readers.Target("three bytes", write, read, (ValueError,)), tmp_path, 0
    )
    found = Watch(finder.trial, drive=finder.drive).watched(100_000)
    index, happened, told = next(trial for trial in found if trial[1].startswith(LOST))
    assert happened == f"{LOST}KeyError" and "found" in told
    random = coverage_guided.Drawn(finder.bytes_of(index).read_bytes())
    assert write(random, tmp_path).read_bytes() == b"WAV"
