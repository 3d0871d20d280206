"""What the tests of preparation share: a corpus to be changed, and its preparation."""

import shutil

import pytest

from camser.data.prepare import prepare

LABELS = ["angry", "sad", "happy", "neutral"]


@pytest.fixture
def copy(corpus, tmp_path):
    """The corpus, to be changed as a test likes."""
    return shutil.copytree(corpus, tmp_path / "corpus")


@pytest.fixture
def go(iemocap, tmp_path):
    """Prepare a corpus folder; returns the utterances."""

    def run(folder, allow_missing=False, **more):
        settings = {"labels": LABELS, "merge_labels": {"excited": "happy"}, **more}
        return prepare(
            iemocap.scan, folder, tmp_path / "prepared", allow_missing=allow_missing, **settings
        ).utterances

    return run
