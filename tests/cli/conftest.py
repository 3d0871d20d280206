"""Labelled recordings of the synthetic corpus, as people have them."""

import csv

import pytest

from camser.data.prepare import prepare

EMOTIONS = {"angry": "loud", "sad": "down", "happy": "up", "neutral": "plain"}


@pytest.fixture(scope="session")
def utterances(iemocap, corpus, tmp_path_factory):
    """Those of four emotions."""
    folder = tmp_path_factory.mktemp("prepared")
    return prepare(iemocap.scan, corpus, folder, [*EMOTIONS], {"excited": "happy"}).utterances


@pytest.fixture
def write_table(utterances, corpus, tmp_path):
    """Write labels.csv with more columns: ``write_table(speaker=lambda u: u.speaker)``."""

    def write(number=60, **columns):
        path = tmp_path / "labels.csv"
        with open(path, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["file", "emotion", *columns])
            for u in utterances[:number]:
                cells = [value(u) for value in columns.values()]
                table.writerow([corpus / u.path, EMOTIONS[u.emotion], *cells])
        return path

    return write
