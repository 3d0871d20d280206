"""camser's own system at the sizes that are measured: the recipe's, with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from camser.build import build_model
from camser.config.settings import Settings, read_arguments
from camser.data.prepare import CorpusScanner
from camser.experiment.run import Run
from camser.inference.export_config import FORMAT, write_config
from camser.inference.export_files import INT8, ONNX
from camser.inference.export_folder import write
from camser.model import EmotionHead
from camser.runtime.digests import file_record

RECIPE = Path(__file__).parents[2] / "recipes/IEMOCAP/hparams/camser.yaml"
SMALL_WAV2VEC2 = {
    "model_type": "wav2vec2",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
# What the recipe's encoders are told. At "small" sizes what is measured is everything else.
SIZES = {
    "paper": {
        "spectrogram": {"weights": None},
        "wav2vec2": {"source": None, "config": {"model_type": "wav2vec2"}},
    },
    "small": {
        "mfcc": {"hidden_size": 8, "num_layers": 1},
        "spectrogram": {"weights": None},
        "wav2vec2": {"source": None, "config": SMALL_WAV2VEC2},
    },
}


def settings(size: str, *overrides: str, corpus: Path | str = ".") -> Settings:
    """The recipe's, at one of ``SIZES``; ``overrides`` as on the command line."""
    encoders = f"--encoders={json.dumps(SIZES[size])}"
    return read_arguments([str(RECIPE), f"--data_folder={corpus}", encoders, *overrides])


def modules(size: str) -> dict[str, nn.Module]:
    """``embedding_model`` and ``classifier``."""
    values = settings(size).values
    (arguments,) = values["embedding_model"].values()
    model = build_model(**arguments)
    head = EmotionHead(model.embedding_size, len(values["labels"]))
    return {"embedding_model": model, "classifier": head}


def start(
    size: str, folder: Path, corpus: Path, scan: CorpusScanner, device: str, *overrides: str
) -> Run:
    """A run of the recipe in ``folder``, as train.py builds it; those on a corpus share what is
    prepared of it."""
    where = [f"--output_folder={folder}", f"--prepared_folder={corpus.parent / 'prepared'}"]
    told = [*where, f"--device={device}", "--noprogressbar", *overrides]
    return Run(settings(size, *told, corpus=corpus), scan)


def plain_sizes(size: str) -> dict[str, Any]:
    """The arguments that make ``plain_pytorch.Plain`` as large."""
    told = SIZES[size]
    return {**told.get("mfcc", {}), "wav2vec2": told["wav2vec2"]["config"]}


def write_export(folder: Path, size: str, onnx: bool = False) -> Path:
    """An export such as ``camser export`` writes, of a model that nobody trained."""
    parts = modules(size)
    folder.mkdir()
    config = {
        "model_type": "camser",
        "format": FORMAT,
        "labels": settings(size).values["labels"],
        "sample_rate": 16000,
        "temperature": 1.0,
        "architecture": parts["embedding_model"].architecture,
        "plugins": parts["embedding_model"].plugins,
    }
    write(folder, config, parts)
    if onnx:
        from camser.export.onnx.quantize import write_int8
        from camser.export.onnx.write import write_onnx

        write_onnx(*parts.values(), folder / ONNX, config["labels"])
        write_int8(folder / ONNX, folder / INT8)
        config["onnx"] = {name: file_record(folder / name) for name in (ONNX, INT8)}
        write_config(folder, config)
    return folder
