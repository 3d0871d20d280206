"""Classes that the exported ``hyperparams.yaml`` names, for SpeechBrain's own interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.nnet.containers import LengthsCapableSequential
from speechbrain.utils.fetching import fetch
from torch import Tensor, nn

from camser.audio import iter_array_chunks
from camser.inference.export_config import longest_segment, read_config
from camser.inference.export_files import CONFIG, WEIGHTS
from camser.inference.weights import load_weights

CHUNK_SAMPLES = 2**20  # joined at the end


class StrictPretrainer:
    """Loads all weights of an exported model into modules, or raises.

    It replaces SpeechBrain's ``Pretrainer``, which loads pickles and only warns if names differ.

    Arguments
    ---------
    modules : mapping of str to Module
        ``embedding_model`` and ``classifier``.
    """

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self.modules = modules
        self.collect_in: str | Path | None = None

    def set_collect_in(self, path: str | Path | None) -> None:
        """Set the folder for links to, or copies of, the files; None leaves them where they are."""
        self.collect_in = path

    def collect_files(self, default_source: Any, **options: Any) -> None:
        """Find ``config.json`` and ``model.safetensors``; download them if necessary.

        Arguments
        ---------
        default_source : str
            A folder or a hub id.
        **options
            SpeechBrain's ``local_strategy`` and ``fetch_config``.
        """
        self.config, self.weights = (
            Path(fetch(name, default_source, self.collect_in, **options))
            for name in (CONFIG, WEIGHTS)
        )

    def load_collected(self) -> None:
        """Load all weights.

        Raises
        ------
        ExportError
            As for ``weights.load_weights``.
        """
        load_weights(self.modules, self.weights, read_config(self.config.parent))


class AudioNormalizer:
    """Averages the channels of a recording and resamples it to 16 kHz, as ``audio.load`` does.

    It replaces SpeechBrain's class, whose resampler (torchaudio's) gives other samples.
    """

    def __call__(self, samples: Tensor, sample_rate: int) -> Tensor:
        """[samples] or [samples, channels], at any rate -> [samples] at 16 kHz.

        Raises
        ------
        AudioError
            If ``audio.load`` refuses such samples.
        """
        name = "the recording"
        chunks = iter_array_chunks(samples.cpu().numpy(), sample_rate, CHUNK_SAMPLES, name)
        return torch.from_numpy(np.concatenate(list(chunks))).to(samples.device)


def label_encoder(labels: Sequence[str]) -> CategoricalEncoder:
    """SpeechBrain's label encoder, in the model's order of classes.

    Example
    -------
    >>> label_encoder(["angry", "sad"]).decode_ndim(1)
    'sad'
    """
    encoder = CategoricalEncoder()
    encoder.update_from_iterable(labels)
    encoder.expect_len(len(labels))
    return encoder


def pretrained_arguments(
    config: Mapping[str, Any], modules: Mapping[str, nn.Module]
) -> tuple[dict[str, nn.Module], dict[str, Any]]:
    """Arguments of ``EncoderClassifier``, as the exported YAML would build them.

    Arguments
    ---------
    config : mapping
        The ``config.json`` of an exported model.
    modules : mapping of str to Module
        ``embedding_model`` and ``classifier``, trained.

    Returns
    -------
    modules, hparams : dict
        Arguments of its constructor.
    """
    before = {
        "compute_features": nn.Identity(),
        "mean_var_norm": LengthsCapableSequential(nn.Identity()),
    }
    hparams = {name: config[name] for name in ("labels", "temperature", "sample_rate")}
    hparams["segment_seconds"] = longest_segment(config["architecture"])
    hparams["label_encoder"] = label_encoder(config["labels"])
    hparams["audio_normalizer"] = AudioNormalizer()
    return {**before, **modules}, hparams
