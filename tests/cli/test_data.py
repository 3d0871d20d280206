"""``camser data``: a table on the terminal, a page, JSON."""

import json

import pytest

from camser.cli import main
from tests.data_check.conftest import write_corpus, write_table


@pytest.fixture(scope="module")
def corpus_rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    return folder, write_corpus(folder)


@pytest.fixture
def labels(corpus_rows, tmp_path, monkeypatch):
    """A table of sixteen recordings of two speakers; the test runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, rows = corpus_rows
    return str(write_table(folder, rows[:16] + rows[112:]))


def test_the_terminal_has_classes_and_the_verdict_and_the_page_the_rest(labels, tmp_path, capsys):
    main(["data", labels, "--output", "data.json"])
    out = capsys.readouterr().out
    assert out.startswith("labels: 32 recordings, 0.5 minutes, 4 classes, 2 speakers\n\nclass ")
    assert "\nsad               8  25.0         2" in out
    assert "\nwav pcm_16, 16000 Hz, 1 channel" in out and "\nverdict: " in out
    assert "serious few speakers: There are 2 speakers: " in out and "\n        → record " in out
    assert "camser-data.html: all tables, figures and examples\ndata.json\n" in out
    assert (tmp_path / "camser-data.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert json.loads((tmp_path / "data.json").read_text())["corpus"] == "labels"
    assert (tmp_path / "cache/camser/data.sqlite").is_file()


def test_options_that_do_not_fit_are_refused(labels):
    with pytest.raises(SystemExit, match="is no recipe; --data-folder is of a recipe"):
        main(["data", labels, "--data_folder", "x"])
    with pytest.raises(SystemExit, match="EmoDB is a recipe; --columns and --form are of a table"):
        main(["data", "EmoDB", "--columns", "{emotion: mood}"])
    with pytest.raises(SystemExit, match="data_folder is not set; give --data_folder"):
        main(["data", "EmoDB"])
    with pytest.raises(SystemExit, match=r"gone\.csv"):
        main(["data", "gone.csv"])
