"""Exported models of former formats load, and say what they said when they were made."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from speechbrain.inference.classifiers import EncoderClassifier

from camser.build import build_model
from camser.inference import EmotionClassifier

HERE = Path(__file__).parent
FORMATS = [
    "format_1",  # written before settings were renamed
    "format_2",  # written when pre-emphasis filtered each segment
    "format_3",  # written before padding could be masked
]
CASES = [(name, "torch") for name in FORMATS] + [("format_2", "onnx")]


@pytest.fixture
def recording():
    time = np.arange(20000) / 16000  # three segments; the samples at the cuts are not 0
    return (0.3 * np.sin(900 * time**1.5)).astype(np.float32)


def expected(folder):
    told = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return torch.tensor(told["log_probabilities"])


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_it_loads_and_gives_the_same_log_probabilities(recording, name, engine):
    if engine == "onnx":
        pytest.importorskip("onnxruntime")
    classifier = EmotionClassifier.from_pretrained(HERE / name, device="cpu", engine=engine)
    found = classifier.log_probabilities([recording])
    # Another processor's kernels add in another order.
    torch.testing.assert_close(found, expected(HERE / name), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", FORMATS)
def test_speechbrains_class_loads_it_too(recording, name):
    classifier = EncoderClassifier.from_hparams(source=str(HERE / name), savedir=None)
    found = classifier.classify_batch(torch.from_numpy(recording)[None])[0]
    torch.testing.assert_close(found, expected(HERE / name), atol=1e-5, rtol=0)


def test_former_names_are_translated():
    classifier = EmotionClassifier.from_pretrained(HERE / "format_1", device="cpu", engine="torch")
    tables = classifier.mods["embedding_model"].architecture["encoders"]
    assert tables["mfcc"]["standardize"] is True and tables["whisper"]["layer"] == "weighted_sum"


def spectrogram_model(prefix, **more):
    encoder = {"plugin": f"{prefix}spectrogram_alexnet", "weights": None}
    concat = {"plugin": f"{prefix}concat"}
    return build_model(["s"], {"s": encoder}, "concat", {"concat": concat}, 0.5, **more)


def test_a_former_model_keeps_its_filter_and_its_0_db():
    former, new = spectrogram_model("camser:"), spectrogram_model("")
    assert former.preemphasis_over == "segment" and new.preemphasis_over == "utterance"
    assert former.encoders["s"].image.reference == "kept_bins"
    assert new.encoders["s"].image.reference == "segment"
    for model in (former, new):  # it says so itself from now on
        again = build_model(**model.architecture)
        assert again.preemphasis_over == model.preemphasis_over
        assert again.encoders["s"].image.reference == model.encoders["s"].image.reference
    named = spectrogram_model("camser:", preemphasis_over="utterance")  # a recipe that names both
    assert named.encoders["s"].image.reference == "segment"
