"""The same speech has the same probabilities, whichever way it is asked."""

import numpy as np
import pytest
import soundfile

from camser.inference import EmotionClassifier
from robustness.fuzzing.encoded import encode
from tests.helpers.recipe_runs import load_module

WAYS = load_module("bench/harness/asked_ways.py")


@pytest.fixture(scope="module")
def recordings(voice, tmp_path_factory):
    """The voice as a WAV in stereo at 44.1 kHz, and as a phone's and a browser's recording."""
    folder = tmp_path_factory.mktemp("recordings")
    pcm = (voice * 2**15).astype(np.int16)
    soundfile.write(folder / "a.wav", np.stack([pcm, pcm], 1), 44100)
    (folder / "a.m4a").write_bytes(encode(pcm, "aac", "ipod"))
    (folder / "a.webm").write_bytes(encode(pcm, "libopus", "webm", 48000))
    return folder


def test_the_program_of_the_card_needs_onnxruntime_alone(graphs, voice_path):
    classifier = EmotionClassifier.from_pretrained(graphs, device="cpu", engine="onnx")
    card = (graphs / "README.md").read_text(encoding="utf-8")
    case = WAYS.Case(graphs, classifier, voice_path)
    np.testing.assert_allclose(WAYS.plain_onnx(case, card), case.classified(voice_path), atol=1e-5)


@pytest.mark.parametrize("name", ["a.wav", "a.m4a", "a.webm"])
def test_every_interface_gives_the_same_probabilities(graphs, recordings, name):
    classifier = EmotionClassifier.from_pretrained(graphs, device="cpu", engine="torch")
    case = WAYS.Case(graphs, classifier, recordings / name)
    expected = case.classified(case.path)
    # The stock class reads what libsndfile reads; over HTTP: test_http.
    for way, ask in {**WAYS.PYTORCH, **(WAYS.STOCK if name == "a.wav" else {})}.items():
        np.testing.assert_allclose(ask(case), expected, rtol=0, atol=1e-6, err_msg=way)
    np.testing.assert_allclose(WAYS.onnx_engine(case), expected, rtol=0, atol=1e-4)
    assert sum(expected) == pytest.approx(1.0)
