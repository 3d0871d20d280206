"""``camser classify`` of a model with an ONNX file needs, and imports, no PyTorch."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from camser import audio
from camser.inference import EmotionClassifier
from camser.inference.export_config import read_config
from camser.inference.graph_recognizer import GraphRecognizer, averages_scores, load_recognizer
from robustness.fuzzing.encoded import encode

# What is not there for the command: PyTorch, what needs it, and what takes long to import.
ABSENT = ("torch", "torchaudio", "torchvision", "speechbrain", "transformers", "huggingface_hub")
PROGRAM = f"""
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        absent = name.partition(".")[0] in {ABSENT}
        return None if absent else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
from camser.cli import main
main()
"""


@pytest.fixture(scope="module")
def recordings(voice, voice_path, tmp_path_factory):
    """A voice as a WAV and as a phone's recording, and a silent one."""
    folder = tmp_path_factory.mktemp("recordings")
    pcm = (voice * 2**15).astype("int16")
    (folder / "a.m4a").write_bytes(encode(pcm, "aac", "ipod"))
    soundfile.write(folder / "silent.wav", np.zeros(16000), 16000)
    return [str(voice_path), str(folder / "a.m4a"), str(folder / "silent.wav")]


def classify(model, *arguments):
    command = [sys.executable, "-c", PROGRAM, "classify", f"--model={model}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("engine", ["auto", "onnx-int8"])
def test_without_pytorch_the_probabilities_are_the_same(graphs, recordings, engine):
    found = classify(graphs, *recordings, "--json", "--threads=1", f"--engine={engine}")
    assert found.returncode == 0, found.stderr
    assert "silent.wav: is silent: every sample is 0" in found.stderr
    options = {"engine": "onnx" if engine == "auto" else engine, "threads": 1}
    classifier = EmotionClassifier.from_pretrained(graphs, device="cpu", **options)
    for row, expected in zip(json.loads(found.stdout), classifier.stream(recordings), strict=True):
        wanted = expected.to_dict()
        assert row.pop("probabilities") == pytest.approx(wanted.pop("probabilities"), abs=1e-5)
        assert row.pop("confidence") == pytest.approx(wanted.pop("confidence"), abs=1e-5)
        assert row == wanted


def test_a_timeline_without_pytorch(graphs, recordings):
    found = classify(graphs, recordings[0], "--timeline", "--smoothing=median", "--rttm")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("SPEAKER voice 1 0.000")


def test_what_needs_pytorch_says_so(export, recordings):
    found = classify(export, recordings[0])  # has no ONNX file
    assert found.returncode == 1 and "Traceback" not in found.stderr
    assert "needs torch, which is not installed" in found.stderr


def test_which_recognizer_is_loaded(graphs, export, voice_path, monkeypatch):
    monkeypatch.setattr("camser.inference.graph_recognizer.may_have_gpu", lambda: False)
    light = load_recognizer(graphs)
    assert isinstance(light, GraphRecognizer)
    samples = audio.load(voice_path)
    (found,) = light.classify([(16000, samples)])
    assert found.probabilities == pytest.approx(light.classify(voice_path).probabilities, abs=1e-6)
    for model, options in ((graphs, {"engine": "torch"}), (export, {"device": "cpu"})):
        assert isinstance(load_recognizer(model, **options), EmotionClassifier)
    monkeypatch.setattr("camser.inference.graph_recognizer.may_have_gpu", lambda: True)
    assert isinstance(load_recognizer(graphs, engine="onnx"), GraphRecognizer)
    assert isinstance(load_recognizer(graphs), EmotionClassifier)


@pytest.mark.parametrize(
    "changed", [{"utterance_rule": "max"}, {"segment_hop_seconds": {"train": 1, "test": 1}}]
)
def test_what_is_no_mean_of_scores_needs_pytorch(graphs, changed):
    config = read_config(graphs)
    assert averages_scores(config)
    assert not averages_scores({**config, "architecture": {**config["architecture"], **changed}})
    assert not averages_scores({**config, "head": {"hidden_size": 8}})
