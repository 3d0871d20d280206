"""What a trained model makes of test utterances on its way to a decision: arrays for figures."""

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
from camser.training.brain import EmotionBrain
from camser.training.scoring import MeanOverSegments


def embedding_arrays(brain: EmotionBrain, loader: DataLoader) -> dict[str, np.ndarray]:
    """The vectors of utterances: the means over their segments.

    Arguments
    ---------
    brain : EmotionBrain
        Trained.
    loader : DataLoader
        Of a ``SegmentDataset``.

    Returns
    -------
    dict of str to array
        ``ids`` [utterances]; [utterances, features] each: ``part.<modality>``, ``fused`` and
        ``embedding``.
    """
    dataset: Any = loader.dataset
    ids = dataset.ids
    means: dict[str, MeanOverSegments] = defaultdict(lambda: MeanOverSegments(len(ids)))
    for batch in loader:
        seen = brain.intermediates(batch)
        vectors = {f"part.{name}": part for name, part in seen.projections.items()}
        for name, value in (vectors | {"fused": seen.fused, "embedding": seen.embeddings}).items():
            means[name].add(value, batch.owner)
    return {"ids": np.array(ids), **{n: m.means().cpu().numpy() for n, m in means.items()}}


def select_examples(
    utterances: Sequence[Utterance], labels: Sequence[str], count: int
) -> tuple[Utterance, ...]:
    """The first ``count`` utterances of each emotion, by the emotions' order."""
    chosen = []
    for label in labels:
        chosen += [u for u in utterances if u.emotion == label][: max(0, count)]
    return tuple(chosen)


def attention_arrays(
    brain: EmotionBrain, loader: DataLoader, utterances: Sequence[Utterance], audio: PackedAudio
) -> dict[str, np.ndarray]:
    """The frame weights of utterances, and the spectrogram to draw them over.

    Arguments
    ---------
    brain : EmotionBrain
        Trained.
    loader : DataLoader
        Of a ``SegmentDataset``.
    utterances : sequence of Utterance
        The dataset's, a few.
    audio : PackedAudio
        Of the manifest.

    Returns
    -------
    dict of str to array
        ``ids`` [utterances]; for the n-th of them ``n.spectrogram`` [bins, frames of 10 ms], in
        [0, 1], low frequencies last, ``n.samples`` (at 16 kHz) and, by attended modality,
        ``n.weights.<modality>`` [segments, frames]. Empty where the fusion weighs nothing.
    """
    weights, owners, image = defaultdict(list), [], SpectrogramImage()
    for batch in loader:
        for modality, values in brain.intermediates(batch).attention_weights.items():
            weights[modality].append(values.float().cpu().numpy())
        owners.append(batch.owner.cpu().numpy())
    if not weights:
        return {}
    arrays = {"ids": np.array([u.id for u in utterances])}
    for number, utterance in enumerate(utterances):
        wave, mine = audio.waveform(utterance).cpu(), np.concatenate(owners) == number
        arrays[f"{number}.spectrogram"] = image(wave.unsqueeze(0))[0].numpy().astype(np.float16)
        arrays[f"{number}.samples"] = np.array(len(wave))
        for modality, values in weights.items():
            arrays[f"{number}.weights.{modality}"] = np.concatenate(values)[mine]
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
