"""Exported models of the first format load, and say what they said when they were made."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from speechbrain.inference.classifiers import EncoderClassifier

from camser.inference import EmotionClassifier

FOLDER = Path(__file__).parent / "format_1"  # written before settings were renamed


@pytest.fixture
def recording():
    time = np.arange(20000) / 16000
    return (0.3 * np.sin(900 * time**1.5)).astype(np.float32)


def expected():
    told = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
    return torch.tensor(told["log_probabilities"])


def test_it_loads_and_gives_the_same_log_probabilities(recording):
    classifier = EmotionClassifier.from_pretrained(FOLDER, device="cpu", engine="torch")
    found = classifier.log_probabilities([recording])
    # Another processor's kernels add in another order.
    torch.testing.assert_close(found, expected(), atol=1e-5, rtol=0)
    tables = classifier.mods["embedding_model"].architecture["encoders"]
    assert tables["mfcc"]["standardize"] is True and tables["whisper"]["layer"] == "weighted_sum"


def test_speechbrains_class_loads_it_too(recording):
    classifier = EncoderClassifier.from_hparams(source=str(FOLDER), savedir=None)
    found = classifier.classify_batch(torch.from_numpy(recording)[None])[0]
    torch.testing.assert_close(found, expected(), atol=1e-5, rtol=0)
