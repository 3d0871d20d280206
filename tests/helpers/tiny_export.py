"""A small export with random weights, written without a run: for tests of what loads one."""

import torch

from camser.build import build_model
from camser.inference.export_config import FORMAT
from camser.inference.export_folder import write
from camser.model import EmotionHead
from tests.helpers.recipe_runs import TINY_WAV2VEC2

LABELS = ("angry", "sad", "happy", "neutral")
ENCODERS = {
    "mfcc": {"plugin": "mfcc_bilstm", "hidden_size": 8, "num_layers": 1},
    "wav2vec2": {"plugin": "wav2vec2", "config": TINY_WAV2VEC2},
}
FUSIONS = {
    "concat": {"plugin": "concat"},
    "co_attention": {
        "plugin": "co_attention",
        "guides": ["mfcc"],
        "target": "wav2vec2",
        "projection_size": 8,
    },
}
TRAINED = {
    "corpus": "nowhere",
    "variant": "tiny",
    "protocol": "leave_one_speaker_out",
    "fold": 0,
    "fold_name": "nowhere/A",
    "selection": "held_out",
    "parts": {"train": 40, "valid": 8, "test": 12},
}


def write_export(folder, fusion="co_attention", labels=LABELS, encoders=ENCODERS, **trained):
    """Write an export; ``trained`` is added to what it says of its training."""
    torch.manual_seed(0)
    model = build_model(list(encoders), encoders, fusion, FUSIONS, segment_seconds=1.0)
    modules = {
        "embedding_model": model,
        "classifier": EmotionHead(model.embedding_size, len(labels)),
    }
    folder.mkdir()
    config = {
        "model_type": "camser",
        "format": FORMAT,
        "camser": "0",
        "labels": list(labels),
        "sample_rate": 16000,
        "temperature": 0.1,  # random weights hardly tell the classes apart
        "architecture": model.architecture,
        "plugins": model.plugins,
        "trained": {**TRAINED, **trained},
        "scores": {"WA": 0.5, "UA": 0.46, "macro_F1": 0.4},
    }
    write(folder, config, modules)
    return folder
