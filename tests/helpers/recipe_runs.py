"""Where the project is, and runs of its recipes in this process."""

import importlib.util
import logging
from pathlib import Path

ROOT = Path(__file__).parents[2]
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


def start_run(scan, corpus, prepared, folder, *overrides, recipe=TINY):
    """The objects of a run of the tiny recipe with overrides."""
    from camser.config.settings import read_arguments
    from camser.experiment.run import Run

    paths = [
        f"--data_folder={corpus}",
        f"--output_folder={folder}",
        f"--prepared_folder={prepared}",
    ]
    arguments = [str(recipe), "--device=cpu", "--noprogressbar", *paths, *overrides]
    return Run(read_arguments(arguments, ROOT / "recipes/IEMOCAP"), scan)


def close_logs():
    """SpeechBrain opens a log a run, and leaves it open."""
    for handler in list(logging.getLogger().handlers):
        if isinstance(handler, logging.FileHandler):
            logging.getLogger().removeHandler(handler)
            handler.close()
