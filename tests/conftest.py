"""What tests share: a small synthetic corpus, and running a recipe in this process."""

import importlib.util
import logging
from pathlib import Path

import pytest
import torch

from camser.synthetic import synthesize_corpus

ROOT = Path(__file__).parent.parent
TINY = str(ROOT / "tests/hparams/tiny.yaml")
TINY_WAV2VEC2 = {
    "model_type": "wav2vec2",
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
TINY_WHISPER = {
    "model_type": "whisper",
    "d_model": 16,
    "encoder_layers": 3,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
}


def load_module(path):
    """A recipe's module, by its path under the root."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def iemocap():
    """IEMOCAP's preparation module."""
    return load_module("recipes/IEMOCAP/iemocap_prepare.py")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A synthetic corpus: 80 turns of about a second."""
    folder = tmp_path_factory.mktemp("corpora") / "synthetic"
    synthesize_corpus(folder, 2, 8, mean_seconds=0.8)
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """One prepared folder for all runs, so that frozen frames are computed once."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def start(corpus, prepared, tmp_path, iemocap):
    """Start a run of the tiny recipe with overrides: ``start("--fold=1", folder="a")``."""
    from camser.experiment import Run
    from camser.settings import read_arguments

    def build(*overrides, folder="run", recipe=TINY):
        paths = [
            f"--data_folder={corpus}",
            f"--output_folder={tmp_path / folder}",
            f"--prepared_folder={prepared}",
        ]
        arguments = [str(recipe), "--device=cpu", "--noprogressbar", *paths, *overrides]
        return Run(read_arguments(arguments, ROOT / "recipes/IEMOCAP"), iemocap.scan)

    yield build
    logging.getLogger().handlers = [
        h for h in logging.getLogger().handlers if not isinstance(h, logging.FileHandler)
    ]


@pytest.fixture
def run(start):
    """Train and test the tiny recipe; returns the ended run."""

    def go(*overrides, **where):
        job = start(*overrides, **where)
        job.train()
        job.test()
        return job

    return go


@pytest.fixture
def speech():
    """Half a dozen segments of real-looking speech: [6, 48000]."""
    import numpy as np

    from camser.synthetic import EMOTIONS
    from camser.voice import make_voice, speak

    rng = np.random.default_rng(0)
    waves = []
    for emotion in ("ang", "sad", "neu") * 2:
        voice = make_voice(rng, 160.0, 1.05)
        prosody = EMOTIONS["neu"].prosody, EMOTIONS[emotion].prosody
        waves.append(speak(rng, voice, *prosody, 48000))
    return torch.tensor(np.array(waves), dtype=torch.float32)


@pytest.fixture(autouse=True)
def seeded():
    """Every test draws the same numbers, whatever ran before it."""
    torch.manual_seed(0)
