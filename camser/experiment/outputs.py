"""Arrays for figures: what a trained model computes from test utterances before its decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from speechbrain.utils.train_logger import TensorboardLogger
from torch.utils.data import DataLoader

from camser.config.command_line import SettingsError
from camser.data.manifest import Utterance
from camser.data.packed_audio import PackedAudio
from camser.encoders.spectrogram import SpectrogramImage
from camser.segments import MeanOverSegments
from camser.training.brain import EmotionBrain


def embedding_arrays(brain: EmotionBrain, loader: DataLoader) -> dict[str, np.ndarray]:
    """The vectors of utterances: means over their segments.

    Arguments
    ---------
    brain : EmotionBrain
        A trained model.
    loader : DataLoader
        Batches of a ``SegmentDataset``.

    Returns
    -------
    dict of str to array
        ``ids`` [utterances]. ``part.<modality>`` (the projection of a modality), ``fused`` and
        ``embedding`` are [utterances, features] each.
    """
    dataset: Any = loader.dataset
    ids = dataset.ids
    means: dict[str, MeanOverSegments] = defaultdict(lambda: MeanOverSegments(len(ids)))
    for batch in loader:
        outputs = brain.intermediates(batch)
        vectors = {f"part.{name}": vector for name, vector in outputs.projections.items()}
        vectors |= {"fused": outputs.fused, "embedding": outputs.embeddings}
        for name, value in vectors.items():
            means[name].add(value, batch.owner)
    return {"ids": np.array(ids), **{n: m.means().cpu().numpy() for n, m in means.items()}}


def select_examples(
    utterances: Sequence[Utterance], labels: Sequence[str], count: int
) -> tuple[Utterance, ...]:
    """The first ``count`` utterances of each emotion, in the order of ``labels``."""
    chosen = []
    for label in labels:
        chosen += [u for u in utterances if u.emotion == label][: max(0, count)]
    return tuple(chosen)


def attention_arrays(
    brain: EmotionBrain, loader: DataLoader, utterances: Sequence[Utterance], audio: PackedAudio
) -> dict[str, np.ndarray]:
    """The attention weights of utterances, and the spectrogram to draw them on.

    Arguments
    ---------
    brain : EmotionBrain
        A trained model.
    loader : DataLoader
        Batches of a ``SegmentDataset``.
    utterances : sequence of Utterance
        The utterances of the dataset; a few.
    audio : PackedAudio
        The audio of the manifest.

    Returns
    -------
    dict of str to array
        ``ids`` [utterances]. For the n-th utterance: ``n.spectrogram`` [bins, frames of 10 ms], in
        [0, 1], low frequencies last; ``n.samples`` (their number at 16 kHz); and for each attended
        modality ``n.weights.<modality>`` [segments, frames]. Empty if the fusion has no weights.
    """
    weights, utterance_indices, image = defaultdict(list), [], SpectrogramImage()
    for batch in loader:
        for modality, values in brain.intermediates(batch).attention_weights.items():
            weights[modality].append(values.float().cpu().numpy())
        utterance_indices.append(batch.owner.cpu().numpy())
    if not weights:
        return {}
    arrays = {"ids": np.array([u.id for u in utterances])}
    for number, utterance in enumerate(utterances):
        waveform = audio.waveform(utterance).cpu()
        is_own_segment = np.concatenate(utterance_indices) == number
        arrays[f"{number}.spectrogram"] = image(waveform.unsqueeze(0))[0].numpy().astype(np.float16)
        arrays[f"{number}.samples"] = np.array(len(waveform))
        for modality, values in weights.items():
            arrays[f"{number}.weights.{modality}"] = np.concatenate(values)[is_own_segment]
    return arrays


def tensorboard_logger(folder: Path) -> TensorboardLogger:
    """A train logger that writes to ``folder``.

    Raises
    ------
    SettingsError
        If TensorBoard is not installed.
    """
    try:
        return TensorboardLogger(str(folder))
    except ImportError as error:
        raise SettingsError(
            f"tensorboard: true needs {error.name}, which is not installed: pip install "
            f'"camser[tensorboard]", or give --tensorboard=false'
        ) from error
