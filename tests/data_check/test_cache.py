"""What was measured is not measured again, until a file changes."""

import logging
import sqlite3

import numpy as np
import pytest
import soundfile

from camser.data_check.cache import Cache, default_path
from camser.data_check.check import check_recordings
from camser.data_check.source import read_labels
from camser.data_check.write import to_json
from tests.data_check.conftest import write_table


@pytest.fixture
def go(copy, tmp_path):
    """Check twelve recordings; returns what was found, as JSON."""
    folder, rows = copy
    path = str(write_table(folder, rows[::11]))

    def run(cache=tmp_path / "cache" / "data.sqlite"):
        return to_json(check_recordings(read_labels({"source": path}), cache))

    return run


def test_a_second_call_reads_no_recording_and_finds_the_same(go, decoded):
    first = go()
    assert len(decoded) == 12
    assert go() == first
    assert len(decoded) == 12
    assert go(None) == first
    assert len(decoded) == 24


def test_a_changed_file_is_measured_again(go, copy, decoded):
    first = go()
    path = copy[0] / first["recordings"][0]["path"]
    soundfile.write(path, np.full(8000, 0.25), 16000)
    second = go()
    assert len(decoded) == 13
    assert second["recordings"][0]["measures"]["seconds"] == 0.5
    for one, other in zip(second["recordings"][1:], first["recordings"][1:], strict=True):
        assert one["measures"] == other["measures"]


def test_another_encoder_has_vectors_of_its_own(copy, tmp_path, decoded):
    folder, rows = copy
    source = read_labels({"source": str(write_table(folder, rows[::11]))})
    encoders = [{"plugin": "camser:mfcc_statistics", "num_coefficients": n} for n in (13, 20)]
    for encoder in [*encoders, *encoders]:
        check_recordings(source, tmp_path / "data.sqlite", encoder)
    assert len(decoded) == 24


@pytest.mark.parametrize("content", [b"no database", None])
def test_a_cache_that_cannot_be_used_costs_time_alone(go, tmp_path, caplog, content):
    path = tmp_path / "odd"
    if content is None:
        path = path / "below" / "data.sqlite"
        path.parent.parent.write_text("a file, no folder")
    else:
        path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert go(path) == go(None)
    assert f"{path} cannot be used" in caplog.text


def test_values_that_are_damaged_are_made_again(go, tmp_path):
    path = tmp_path / "data.sqlite"
    first = go(path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE cache SET value = x'00'")
    database.close()
    assert go(path) == first


def test_it_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "camser" / "data.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".cache" / "camser" / "data.sqlite"


def test_what_was_put_before_an_interruption_is_kept(tmp_path):
    cache = Cache(tmp_path / "data.sqlite")
    for number in range(60):
        cache.put(f"{number}.wav", "length", "", b"1")
    other = Cache(tmp_path / "data.sqlite")  # the first has not been closed
    assert [bool(other.get(f"{n}.wav", "length", "")) for n in (49, 55)] == [True, False]
    cache.close()
    other.close()
