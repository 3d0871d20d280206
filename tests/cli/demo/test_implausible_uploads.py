"""An upload without speech: the page and the HTTP API say so, and show no emotion along it."""

import numpy as np
import pytest
import soundfile

pytest.importorskip("gradio")

from camser.cli.demo import page
from camser.cli.demo.analysis import DemoModel
from camser.cli.demo.limits import Limits
from tests.helpers.demo_client import ask

SILENT = "is silent: every sample is 0"


@pytest.fixture
def silent(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(48000), 16000)
    return tmp_path / "silent.wav"


def test_the_api_answers_with_a_warning(client, silent, clip):
    assert ask(client, silent)["warnings"] == [SILENT]
    answer = ask(client, silent, api_name="/timeline")
    assert answer["warnings"] == [SILENT] and answer["turns"] == []
    assert [window["speech"] for window in answer["windows"]] == [0, 0, 0]
    assert ask(client, clip)["warnings"] == []
    assert ask(client, clip, None) == ask(client, clip)


def test_the_page_shows_no_emotion(classifier, silent, clip):
    service = DemoModel(classifier, Limits())
    for path, is_speech in ((silent, False), (clip, True)):
        analysis = service.analyse(str(path), 1.0, 1.0)
        answer, along, _ = page._show(analysis, 0.0, "mean")
        assert ('class="verdict">no speech<span></span>' in answer) != is_speech
        assert (SILENT in answer) != is_speech
        assert "<svg" in along.value
